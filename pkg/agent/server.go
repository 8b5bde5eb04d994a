package agent

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang/glog"
)

// Witness is what an agent says when it is asked.
type Witness interface {
	Status(ctx context.Context) Status
	Nodes(ctx context.Context) Nodes
	Slots(ctx context.Context) Slots
	Table(ctx context.Context) Table
	Launch(ctx context.Context) Launch
}

// Handler is what an agent does when it is asked. Its errors go to the caller as refusals: they name no secret.
type Handler interface {
	Witness
	Promote(ctx context.Context, r PromoteRequest) error
	Introduce(ctx context.Context, r IntroduceRequest) error
	Hold(ctx context.Context, r HoldRequest) (Hold, error)
	Release(ctx context.Context, r HoldRequest) error
	Fence(ctx context.Context, r FenceRequest) error
	Unfence(ctx context.Context, r FenceRequest) error
}

// Generations remembers the highest generation that any order carried.
type Generations interface {
	Highest() int64
	// Raise is called with a generation above Highest, before its order is carried out.
	Raise(generation int64) error
}

// Identity is the pod that an agent answers for.
type Identity struct {
	ClusterUID string
	PodUID     string
}

// caller is who calls, as its certificate says.
type caller int

const (
	callerUnknown caller = iota
	callerPeer
	callerOperator
)

// NewServer makes the HTTPS server of an agent. Every caller must show a certificate of the cluster's
// authority; agents may ask what an agent knows, and for promotion, introduction and hand-over; only the operator may
// fence. An order for another cluster or pod, or of a lower generation than one seen, is refused before the handler
// hears of it.
// The caller serves it with ServeTLS(listener, "", "").
func NewServer(h Handler, id Identity, g Generations, source Source, now func() time.Time) *http.Server {
	s := &server{handler: h, id: id, generations: g}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathStatus, s.status)
	mux.HandleFunc("GET "+pathNodes, answer(s, h.Nodes))
	mux.HandleFunc("GET "+pathTable, answer(s, h.Table))
	mux.HandleFunc("GET "+pathLaunch, answer(s, h.Launch))
	mux.HandleFunc("GET "+pathSlots, s.slots)
	mux.HandleFunc("POST "+pathPromote, order(s, h.Promote, PromoteRequest.order, callerPeer, callerOperator))
	mux.HandleFunc("POST "+pathIntroduce, order(s, h.Introduce, IntroduceRequest.order, callerPeer, callerOperator))
	mux.HandleFunc("POST "+pathHold, s.hold())
	mux.HandleFunc("POST "+pathRelease, s.release())
	mux.HandleFunc("POST "+pathFence, order(s, h.Fence, FenceRequest.order, callerOperator))
	mux.HandleFunc("POST "+pathReign, s.reign())
	mux.HandleFunc("POST "+pathUnfence, order(s, h.Unfence, FenceRequest.order, callerOperator))
	return &http.Server{
		Handler:           mux,
		TLSConfig:         serverConfig(source, now),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          glog.NewStandardLogger("INFO"), // who is turned away in the handshake, and why
	}
}

type server struct {
	handler     Handler
	id          Identity
	generations Generations
}

func (r PromoteRequest) order() Order   { return r.Order }
func (r IntroduceRequest) order() Order { return r.Order }
func (r FenceRequest) order() Order     { return r.Order }

// answer makes the handler of one kind of question.
func answer[A any](s *server, say func(context.Context) A) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.known(w, r) {
			reply(w, http.StatusOK, say(r.Context()))
		}
	}
}

func (s *server) slots(w http.ResponseWriter, r *http.Request) {
	if !s.known(w, r) {
		return
	}
	slots := s.handler.Slots(r.Context())
	slots.Generation = s.generations.Highest()
	reply(w, http.StatusOK, slots)
}

// known turns away who is neither an agent nor the operator.
func (s *server) known(w http.ResponseWriter, r *http.Request) bool {
	if s.caller(r) == callerUnknown {
		refuse(w, http.StatusForbidden, errors.New("the certificate names neither an agent nor the operator"))
		return false
	}
	return true
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	if !s.known(w, r) {
		return
	}
	status := s.handler.Status(r.Context())
	status.Generation = s.generations.Highest()
	reply(w, http.StatusOK, status)
}

// order makes the handler of one kind of order.
func order[R any](
	s *server, do func(context.Context, R) error, of func(R) Order, allowed ...caller,
) http.HandlerFunc {
	return command(s, func(ctx context.Context, r R) (struct{}, error) { return struct{}{}, do(ctx, r) }, of, allowed...)
}

// command is order, of a kind that has an answer.
func command[R, A any](
	s *server, do func(context.Context, R) (A, error), of func(R) Order, allowed ...caller,
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(allowed, s.caller(r)) {
			refuse(w, http.StatusForbidden, errors.New("not allowed with this certificate"))
			return
		}
		var request R
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&request); err != nil {
			refuse(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
			return
		}
		if err := s.admit(of(request)); err != nil {
			refuse(w, http.StatusConflict, err)
			return
		}
		answer, err := do(r.Context(), request)
		if err != nil {
			refuse(w, http.StatusConflict, err)
			return
		}
		reply(w, http.StatusOK, answer)
	}
}

// admit checks that an order is meant for this pod and is not an old one.
func (s *server) admit(o Order) error {
	switch highest := s.generations.Highest(); {
	case o.ClusterUID != s.id.ClusterUID:
		return fmt.Errorf("the order is for cluster %q", o.ClusterUID)
	case o.PodUID != s.id.PodUID:
		return fmt.Errorf("the order is for pod UID %q", o.PodUID)
	case o.Generation < highest:
		return fmt.Errorf("the order is of generation %d, and one of %d was seen", o.Generation, highest)
	case o.Generation > highest:
		return s.generations.Raise(o.Generation)
	}
	return nil
}

// caller reads who calls out of the verified certificate.
func (s *server) caller(r *http.Request) caller {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return callerUnknown
	}
	leaf := r.TLS.VerifiedChains[0][0]
	switch {
	case named(leaf, OperatorName(s.id.ClusterUID)):
		return callerOperator
	case named(leaf, AgentName(s.id.ClusterUID)):
		return callerPeer
	}
	return callerUnknown
}

func named(cert *x509.Certificate, name string) bool {
	return slices.ContainsFunc(cert.DNSNames, func(n string) bool { return strings.EqualFold(n, name) })
}

func refuse(w http.ResponseWriter, code int, err error) {
	reply(w, code, ErrorReply{Error: err.Error()})
}

func reply(w http.ResponseWriter, code int, body any) {
	data, err := json.Marshal(body)
	if err != nil { // Our types have nothing that JSON cannot say.
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(data, '\n')) // A caller that is gone needs no answer.
}
