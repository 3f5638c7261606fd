package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/manager"
	"perigee/engine/web"
	"perigee/engine/wire"
)

// prepared has the options of the components that follow from settings that may change while the server runs.
type prepared struct {
	manager manager.Options
	broker  broker.Options
	pages   fs.FS
}

// prepare derives the options of the components from settings, and returns all their faults. It changes nothing. Settings that
// are allowed but unsafe are logged to log.
func (s *Server) prepare(c config.Config, log *slog.Logger) (prepared, error) {
	key, errKey := adminKey(c, log)
	programs, errPrograms := programKeys(c, key)
	brokerOptions, errBroker := brokerOptions(c, log)
	pages, errPages := s.openPages(c)
	if err := errors.Join(errKey, errPrograms, errBroker, errPages); err != nil {
		return prepared{}, err
	}
	return prepared{
		manager: manager.Options{
			Key: key, ProgramKeys: programs, Limits: c.Limits, Roster: c.Roster, Resume: c.Resume, Drain: c.Lua.Drain.Std(),
			SuggestMessages: c.Server.LogLevel == "debug", Redactor: wire.NewRedactor(c.Server.Redact),
		},
		broker: brokerOptions,
		pages:  pages,
	}, nil
}

// openPages returns the pages that the settings name. If the settings have not changed, it returns those that are being served.
func (s *Server) openPages(c config.Config) (fs.FS, error) {
	now := s.config
	if s.pages != nil && c.Server.Public == now.Server.Public && c.Lua.Path == now.Lua.Path && c.Lua.Manager == now.Lua.Manager {
		return s.pages, nil
	}
	return pages(c, s.options.Scripts)
}

// servePages serves these pages over plain HTTP.
func (s *Server) servePages(pages fs.FS) {
	s.pages = pages
	options := web.Options{
		Socket:      s.broker,
		Pages:       pages,
		Ready:       s.ready.Load,
		Queue:       func() string { return s.jobs.Status().Condition },
		Connections: func() (connected, away int) { return s.Connections(), s.Away() },
		Metrics:     s.metrics,
		Auth:        web.Authenticator{CheckRequest: s.broker.CheckRequest, Matches: s.manager.CheckPassword},
		Commands: web.Commands{
			Runner:  s.manager,
			MaxBody: int64(s.config.Limits.ReadLimit),
			Timeout: s.config.Queue.HandlerTimeout.Std(),
		},
	}
	if s.console != nil && s.config.Console.Address == "" {
		options.Console, options.ConsolePath = s.consoleHandler(), s.config.Console.Path
	}
	site := web.New(options)
	s.site.Store(&site)
}

// apply puts in force the settings that may change while the server runs, except those of the scripts, which install has put in
// force.
func (s *Server) apply(c config.Config, p prepared) {
	keyChanged := p.manager.Key != s.key
	s.config, s.key, s.programKeys = c, p.manager.Key, p.manager.ProgramKeys
	s.allowStop(c.Stop)
	s.jobs.Configure(c)
	s.manager.Configure(p.manager)
	s.broker.Configure(p.broker)
	s.configureConsole(c, keyChanged)
	s.servePages(p.pages)
	_ = s.loop.Post("configure", func() { s.loop.SetSlowTurn(c.Lua.SlowTurn.Std()) }) // a stopped loop needs no limit
	if level := new(slog.Level); s.options.Level != nil && level.UnmarshalText([]byte(c.Server.LogLevel)) == nil {
		s.options.Level.Set(*level)
	}
}

// adminKey returns the admin key, and an error if it is weak and other machines can connect.
func adminKey(settings config.Config, log *slog.Logger) (auth.Key, error) {
	c := settings.Server
	secret := string(c.Key)
	if c.KeyFile != "" {
		var err error
		if secret, err = auth.ReadKeyFile(c.KeyFile, settings.AnyMayRead(c.KeyFile, c.KeyFileMode)); err != nil {
			return auth.Key{}, settings.SettingError("server.key_file", err)
		}
	}
	key := auth.NewKey(secret)
	if !key.IsDefault() {
		return key, nil
	}
	kind := "shorter than 12 bytes"
	switch secret {
	case "":
		kind = "empty"
	case "password":
		kind = `the default "password"`
	}
	addresses := []string{net.JoinHostPort(c.Address, strconv.Itoa(c.Port))}
	if settings.Console.Enabled && settings.Console.Address != "" {
		addresses = append(addresses, settings.Console.Address)
	}
	for _, address := range addresses {
		if host, _, err := net.SplitHostPort(address); err != nil || !isLoopback(host) {
			return key, fmt.Errorf("%w on %s: server.key is %s. Set SERVER_KEY (12 bytes or more) or bind to 127.0.0.1", ErrDefaultKey, address, kind)
		}
	}
	log.Warn("engine: admin key is weak: authentication limited to this machine", "setting", "server.key", "key", kind)
	return key, nil
}

// programKeys returns the keys of [keys.NAME]. A weak key, and one that has two names, are errors.
func programKeys(settings config.Config, admin auth.Key) (all []auth.ProgramKey, err error) {
	names := map[auth.Key]string{admin: "the admin key"}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(settings.Keys)) {
		k, setting := settings.Keys[name], "keys."+name+".key_file"
		secret, err := auth.ReadKeyFile(k.KeyFile, settings.AnyMayRead(k.KeyFile, k.KeyFileMode))
		key := auth.NewKey(secret)
		switch other := names[key]; {
		case err != nil:
		case key.IsDefault():
			err = errors.New("the key is shorter than 12 bytes")
		case other != "":
			err = fmt.Errorf("the key is that of %s, too", other)
		}
		if err != nil {
			faults = append(faults, settings.SettingError(setting, err))
			continue
		}
		names[key] = "keys." + name
		all = append(all, auth.ProgramKey{Name: name, Key: key, Commands: k.Commands})
	}
	return all, errors.Join(faults...)
}

// isLoopback reports whether only this machine can connect to an address.
func isLoopback(address string) bool {
	ip := net.ParseIP(address)
	return address == "localhost" || ip != nil && ip.IsLoopback()
}

// brokerOptions returns the limits of connections, and from where clients may connect.
func brokerOptions(settings config.Config, log *slog.Logger) (broker.Options, error) {
	c := settings.Server
	origins, errOrigins := auth.ParseOrigins(c.Origins)
	hosts, errHosts := auth.ParseHosts(c.Hosts)
	proxies, errProxies := auth.ParseProxies(c.TrustedProxies)
	var faults []error
	for _, setting := range []struct {
		name string
		err  error
	}{{"server.origins", errOrigins}, {"server.hosts", errHosts}, {"server.trusted_proxies", errProxies}} {
		if setting.err != nil {
			faults = append(faults, settings.SettingError(setting.name, setting.err))
		}
	}
	if len(faults) > 0 {
		return broker.Options{}, errors.Join(faults...)
	}
	origins.Proxies, origins.Required = proxies, c.RequireOrigin
	if origins.Any {
		log.Warn("engine: web pages of any origin may connect", "setting", "server.origins")
	}
	return broker.Options{
		Limits:         settings.Limits,
		Resume:         settings.Resume,
		MaxConnections: c.MaxConnections,
		Compression:    c.Compression,
		Origins:        origins,
		Hosts:          hosts,
		Protocols:      c.Protocols,
		Proxies:        proxies,
	}, nil
}
