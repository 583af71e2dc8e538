package access

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeNotLoopback says that something would be open to more than this machine.
const CodeNotLoopback fault.Code = "ACCESS_NOT_LOOPBACK"

// Anyone lets everybody on this machine in as one identity: for demos. It can
// only be had for a listener that nobody else reaches, and it refuses what a
// browser was led here to ask under another host's name.
type Anyone struct{ as Identity }

// NewAnyone returns an Anyone for what is served on l.
func NewAnyone(l net.Listener, as Identity) (Anyone, error) {
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return Anyone{}, fault.New(CodeNotLoopback, "%s can be reached from other machines", l.Addr()).
			Expecting("a loopback address such as 127.0.0.1:8080, because nobody has to log in").
			Advise("listen there, or have everybody bear a token").Permanent()
	}
	return Anyone{as: as}, nil
}

// Identify lets in who asks for this machine by a name of its own. A page of
// another host whose name was made to point here gives that host's name.
func (a Anyone) Identify(r *http.Request) (Identity, error) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	at, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if !strings.EqualFold(host, "localhost") && (err != nil || !at.IsLoopback()) {
		return Identity{}, fault.New(CodeDenied, "the request is for %.80q", r.Host).
			Expecting("localhost or a loopback address, because nobody has to log in").Permanent()
	}
	return a.as, nil
}
