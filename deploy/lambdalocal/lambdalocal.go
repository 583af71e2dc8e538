// Package lambdalocal is AWS Lambda on this machine: the Invoke API in front of
// real bootstrap processes that speak the Runtime API.
//
// It keeps the promises that callers of Lambda have to cope with: throttling,
// timeouts, errors inside a 200, events that are retried and then dropped,
// environments that are started, frozen, reused and expire. It enforces no memory limit
// and checks no signature.
package lambdalocal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

const region = "us-east-1"

// Service is one function and its environments.
type Service struct {
	cfg      Config
	listener net.Listener
	pool     *pool
	starts   chan startRequest
	logs     io.Writer

	closing chan struct{} // closed when Run is on its way out
	active  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	live   map[string]*environment
	made   int // environments ever started; names them
	stats  Stats
}

// Stats counts what happened since the service began to listen.
type Stats struct {
	Invocations   int64 `json:"invocations"`    // that ran, each attempt of an event included
	Errors        int64 `json:"errors"`         // invocations that ended with X-Amz-Function-Error
	Throttles     int64 `json:"throttles"`      // answered 429, or an event put back for lack of capacity
	ColdStarts    int64 `json:"cold_starts"`    // environments started
	BilledMillis  int64 `json:"billed_ms"`      // over all invocations, initialisation included
	Dropped       int64 `json:"dropped"`        // events given up
	Undelivered   int64 `json:"undelivered"`    // of them, those that OnFailure had an error for
	Concurrent    int   `json:"concurrent"`     // invocations running now
	MaxConcurrent int   `json:"max_concurrent"` // most invocations that ever ran at once
	Environments  int   `json:"environments"`   // processes alive now
}

type startRequest struct {
	env *environment
	err chan error
}

// Listen checks cfg and opens a port. Nothing is answered, and the port stays open,
// until Run.
func Listen(cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("local lambda: %w", err)
	}
	return &Service{
		cfg:      cfg,
		listener: listener,
		pool:     newPool(cfg),
		starts:   make(chan startRequest),
		logs:     &lockedWriter{w: cfg.Logs},
		closing:  make(chan struct{}),
		live:     map[string]*environment{},
	}, nil
}

// URL is the endpoint to give to an AWS client.
func (s *Service) URL() string { return "http://" + s.listener.Addr().String() }

// Run answers until ctx ends, then ends every environment and forgets the events
// that wait. No process outlives it. It can run once.
func (s *Service) Run(ctx context.Context) error {
	// Linux kills a child when the thread that started it ends, so one thread
	// starts them all and stays for as long as they may live.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()

	err := s.startProcesses(ctx, served)
	s.stop()
	return errors.Join(err, server.Close())
}

// startProcesses starts what coldStart asks for until ctx ends or serving fails.
func (s *Service) startProcesses(ctx context.Context, served <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			return fmt.Errorf("local lambda: %w", err)
		case req := <-s.starts:
			err := req.env.process.start()
			if err == nil {
				s.mu.Lock()
				s.live[req.env.id] = req.env
				s.stats.ColdStarts++
				s.mu.Unlock()
			}
			req.err <- err
		}
	}
}

// stop refuses what is new, ends every environment and waits for what ran.
func (s *Service) stop() {
	s.mu.Lock()
	s.closed = true
	close(s.closing)
	environments := make([]*environment, 0, len(s.live))
	for _, env := range s.live {
		environments = append(environments, env)
	}
	s.mu.Unlock()

	s.pool.close()
	for _, env := range environments {
		env.process.shutDown()
	}
	for _, env := range environments {
		<-env.process.exited
	}
	s.active.Wait()
}

// enter counts a piece of work that stop waits for. It is false when the service
// is stopping; otherwise the caller calls s.active.Done.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.active.Add(1)
	return true
}

// Stats returns the counts as of now.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	stats := s.stats
	stats.Environments = len(s.live)
	s.mu.Unlock()
	stats.Concurrent, stats.MaxConcurrent = s.pool.busy()
	return stats
}

func (s *Service) count(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

func (s *Service) environment(id string) *environment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[id]
}

func (s *Service) forget(env *environment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, env.id)
}

func (s *Service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{function}/invocations", s.handleInvoke)
	s.routeRuntime(mux)
	s.routeExtensions(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			errStopping.write(w)
			return
		}
		defer s.active.Done()
		mux.ServeHTTP(w, r)
	})
}

// lockedWriter lets several environments write to one writer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
