package manager

import (
	"errors"

	"perigee/engine/loop"
	"perigee/engine/manager/registry"
	"perigee/engine/metrics"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// handlerMetrics count what the handlers of a generation do. They belong to the loop.
type handlerMetrics struct {
	of                                      *metrics.Generation
	messages                                map[*registry.Message]messageMetrics
	unknown, invalid                        *metrics.Counter // messages
	onOpen, onClose, onError, onStop, onJob *metrics.Handler
	onConnect, onDrop, onResume             *metrics.Handler
	timers                                  map[string]*metrics.Handler // of functions, by where they are written
}

// messageMetrics count a message. handler is nil if it has none.
type messageMetrics struct {
	received *metrics.Counter
	handler  *metrics.Handler
}

func newHandlerMetrics(of *metrics.Generation) handlerMetrics {
	return handlerMetrics{
		of:        of,
		messages:  map[*registry.Message]messageMetrics{},
		unknown:   of.Unknown(),
		invalid:   of.Invalid(),
		onConnect: of.Handler(metrics.Hook, "connect"),
		onOpen:    of.Handler(metrics.Hook, "open"),
		onDrop:    of.Handler(metrics.Hook, "drop"),
		onResume:  of.Handler(metrics.Hook, "resume"),
		onClose:   of.Handler(metrics.Hook, "close"),
		onError:   of.Handler(metrics.Hook, "error"),
		onStop:    of.Handler(metrics.Hook, "stop"),
		onJob:     of.Handler(metrics.Hook, "job"),
		timers:    map[string]*metrics.Handler{},
	}
}

// runCounted runs a handler and counts the run.
func runCounted(h *metrics.Handler, handle func() error) error {
	start := h.Start()
	err := handle()
	h.End(start, err == nil || errors.Is(err, loop.ErrStopped) || isRefused(err))
	return err
}

func (g *generation) Message(msg script.Message) error {
	if err := g.registry.AddMessage(msg); err != nil {
		return err
	}
	counters := messageMetrics{received: g.metrics.of.Received(msg.Name)}
	if msg.Handle != nil {
		counters.handler = g.metrics.of.Handler(metrics.Message, msg.Name)
	}
	g.metrics.messages[g.registry.Message(msg.Name)] = counters
	return nil
}

// Command has the runs of the command counted.
func (g *generation) Command(c script.Command) error {
	if run := c.Run; run != nil {
		counter := g.metrics.of.Handler(metrics.Command, c.Name)
		c.Run = func(arguments wire.Value) (result wire.Value, err error) {
			err = runCounted(counter, func() error {
				result, err = run(arguments)
				return err
			})
			return result, err
		}
	}
	return g.registry.AddCommand(c)
}

// timer returns the counter of a timer's function, by where that is written.
func (h *handlerMetrics) timer(place string) *metrics.Handler {
	counter, known := h.timers[place]
	if !known {
		counter = h.of.Handler(metrics.Timer, place)
		h.timers[place] = counter
	}
	return counter
}
