package notify

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Network is how webhooks get out. Whoever chooses a webhook's name, or answers for it
// in the DNS, must not reach through it what stands beside the fleet: the address is
// judged when it is dialled, after the name was resolved, so that no answer of the DNS
// comes between.
type Network struct {
	private []netip.Prefix
	clients clients
}

// timeout is how long one post may take in all.
const timeout = 20 * time.Second

// NewNetwork returns a Network to every public address, by HTTPS, and to those of private
// by HTTPS or HTTP. No proxy of the environment is used: it would dial in our place.
func NewNetwork(private []netip.Prefix) *Network {
	n := &Network{private: private}
	n.clients = clients{secured: n.client(n.allows), plain: n.client(n.isPrivate)}
	return n
}

func (n *Network) client(allows func(netip.Addr) bool) *http.Client {
	dialer := &net.Dialer{Timeout: timeout / 2, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !allows(to.Addr().Unmap().WithZone("")) {
			return fault.New(CodeForbidden, "webhook: %s is not to be reached", address).
				Expecting("HTTPS to a public address").Advise("allow it with NOTIFY_PRIVATE if it is yours")
		}
		return nil
	}}
	return &http.Client{Timeout: timeout,
		Transport: &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4,
			IdleConnTimeout: time.Minute, TLSHandshakeTimeout: timeout / 2, MaxResponseHeaderBytes: maxAnswer},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (n *Network) isPrivate(to netip.Addr) bool {
	return slices.ContainsFunc(n.private, func(p netip.Prefix) bool { return p.Contains(to) })
}

func (n *Network) allows(to netip.Addr) bool { return IsPublic(to) || n.isPrivate(to) }

// reserved are the blocks of the IANA's registries of special addresses that
// netip has no word for. Those through which IPv4 is reached are among them.
var reserved = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
	"2001:db8::/32", "2002::/16", "fec0::/10", "3fff::/20", "5f00::/16")

func prefixes(all ...string) (p []netip.Prefix) {
	for _, one := range all {
		p = append(p, netip.MustParsePrefix(one))
	}
	return p
}

// IsPublic reports whether to is an address of the Internet's, and of no network,
// machine or cloud service of somebody's own.
func IsPublic(to netip.Addr) bool {
	return to.IsGlobalUnicast() && !to.IsPrivate() && !to.Is4In6() &&
		!slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(to) })
}

func asForbidden(err error) (*fault.Error, bool) {
	f, ok := errors.AsType[*fault.Error](err)
	return f, ok && f.Code == CodeForbidden
}
