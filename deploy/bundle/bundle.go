// Package bundle makes the Lambda's deployment package: a static binary in a ZIP file
// that is the same, byte for byte, whenever and wherever it is made of the same
// sources by the same Go.
package bundle

import (
	"archive/zip"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeTooLarge says that a binary is larger than a cold start can afford.
const CodeTooLarge fault.Code = "BUNDLE_TOO_LARGE"

// MaxBinary is how many bytes the binary may have: all of them are fetched before a
// cold start.
const MaxBinary = 16 << 20

// Bundle is one deployment package.
type Bundle struct {
	Arch   string `json:"arch"` // as Go names it
	Path   string `json:"path"` // of the ZIP file
	Binary int64  `json:"binary_bytes"`
	Zipped int64  `json:"zip_bytes"`
	SHA256 string `json:"sha256"` // of the ZIP file, hex
}

// Make builds the Lambda of the module at root for arch and packs it into
// dir/lambda-<arch>.zip. The binary stays beside it, as lambda-<arch>.
func Make(ctx context.Context, root, dir, arch string) (Bundle, error) {
	binary := filepath.Join(dir, "lambda-"+arch)
	if err := Build(ctx, root, binary, arch); err != nil {
		return Bundle{}, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return Bundle{}, err
	}
	if info.Size() > MaxBinary {
		return Bundle{}, fault.New(CodeTooLarge, "the %s binary has %d bytes", arch, info.Size()).
			Expecting("at most %d", MaxBinary).Advise("see with `go tool nm -size` what was linked in")
	}
	b := Bundle{Arch: arch, Path: binary + ".zip", Binary: info.Size()}
	b.SHA256, b.Zipped, err = Pack(binary, b.Path)
	return b, err
}

// Build builds the Lambda for Linux on arch, without anything that says where or when.
func Build(ctx context.Context, root, out, arch string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", //nolint:gosec // a fixed command but for its paths
		"-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, "./worker/cmd/lambda")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the lambda for %s: %w\n%s", arch, err, output)
	}
	return nil
}

// Pack writes a ZIP file with the binary as bootstrap, which is what Lambda starts,
// and returns its SHA-256 and its size.
func Pack(binary, path string) (sum string, size int64, err error) {
	in, err := os.Open(binary)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(path)
	if err != nil {
		return "", 0, err
	}
	hash := sha256.New()
	counted := &counter{w: io.MultiWriter(out, hash)}
	err = pack(in, counted)
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return "", 0, fmt.Errorf("pack %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), counted.n, nil
}

// epoch is the time of everything in a package: the first that ZIP can tell.
var epoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

func pack(in io.Reader, out io.Writer) error {
	w := zip.NewWriter(out)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: epoch}
	header.SetMode(0o755)
	file, err := w.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, in); err != nil {
		return err
	}
	return w.Close()
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
