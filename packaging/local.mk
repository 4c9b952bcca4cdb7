# SPDX-License-Identifier: GPL-2.0-or-later
# What is installed beside the programs.

dist_man_MANS = packaging/man/hoody-agent.8 packaging/man/hoodyctl.1 packaging/man/agent.conf.5 \
	packaging/man/hoody-protocol.7

# A page for each noun of hoodyctl, as the built one says.
NOUN_PAGES = packaging/man/hoodyctl-container.1 packaging/man/hoodyctl-env.1 packaging/man/hoodyctl-firewall.1 \
	packaging/man/hoodyctl-image.1 packaging/man/hoodyctl-network.1 packaging/man/hoodyctl-node.1 \
	packaging/man/hoodyctl-operation.1 packaging/man/hoodyctl-order.1 packaging/man/hoodyctl-project.1 \
	packaging/man/hoodyctl-share.1 packaging/man/hoodyctl-snapshot.1
nodist_man_MANS = $(NOUN_PAGES)
CLEANFILES += $(NOUN_PAGES)
$(NOUN_PAGES): agent/hoodyctl$(EXEEXT)
	@$(MKDIR_P) packaging/man
	$(AM_V_GEN)noun=$@; noun=$${noun##*-}; ASAN_OPTIONS=detect_leaks=0 agent/hoodyctl$(EXEEXT) man $${noun%.1} \
		>$@.new && mv $@.new $@

catalogdir = $(prefix)/lib/systemd/catalog
dist_catalog_DATA = packaging/hoody-agent.catalog
LEAF_UNITS = packaging/systemd/hoody-courier@.service packaging/systemd/hoody-portal@.service \
	packaging/systemd/hoody-netproxy@.service
systemdsystemunit_DATA = packaging/systemd/hoody-agent.service $(LEAF_UNITS)
dist_systemdsystemunit_DATA = packaging/systemd/hoody-agent.socket packaging/systemd/hoody-courier.socket \
	packaging/systemd/hoody-portal.socket packaging/systemd/hoody-netproxy.socket
# Completions are what the built hoodyctl says.
bashcompdir = $(datadir)/bash-completion/completions
zshcompdir = $(datadir)/zsh/site-functions
fishcompdir = $(datadir)/fish/vendor_completions.d
nodist_bashcomp_DATA = packaging/completions/hoodyctl
nodist_zshcomp_DATA = packaging/completions/_hoodyctl
nodist_fishcomp_DATA = packaging/completions/hoodyctl.fish
CLEANFILES += $(nodist_bashcomp_DATA) $(nodist_zshcomp_DATA) $(nodist_fishcomp_DATA)
apparmordir = $(sysconfdir)/apparmor.d
dist_apparmor_DATA = packaging/apparmor/hoody-courier packaging/apparmor/hoody-portal packaging/apparmor/hoody-netproxy
PAPERS = README.md agent/ARCHITECTURE.md proto/PROTOCOL.md packaging/OPERATIONS.md packaging/SECURITY.md \
	packaging/STATUS.md
dist_doc_DATA = $(PAPERS) COPYING
picturesdir = $(docdir)/pictures
dist_pictures_DATA = packaging/pictures/containers.svg packaging/pictures/firewall.svg packaging/pictures/top.svg

# The same and the local API's description as HTML, each whole in itself; index.html is the README.
HTML_PAGES = packaging/html/index.html packaging/html/ARCHITECTURE.html packaging/html/PROTOCOL.html \
	packaging/html/OPERATIONS.html packaging/html/SECURITY.html packaging/html/STATUS.html \
	packaging/html/local-api.html
if HTML
doc_DATA = $(HTML_PAGES)
endif
CLEANFILES += $(HTML_PAGES)
$(HTML_PAGES): $(PAPERS) agent/api/api-openapi.json tests/bench/peers.svg $(dist_pictures_DATA) packaging/papers
	@$(MKDIR_P) packaging/html
	$(AM_V_GEN)name=$@; name=$${name##*/}; $(PYTHON3) '$(srcdir)/packaging/papers' $${name%.html} >$@.new && \
		mv $@.new $@

EXTRA_DIST += packaging/agent.conf packaging/deps.sh packaging/papers packaging/quickstart \
	packaging/systemd/hoody-agent.service.in packaging/systemd/hoody-courier@.service.in \
	packaging/systemd/hoody-portal@.service.in packaging/systemd/hoody-netproxy@.service.in \
	packaging/systemd/leaf.conf packaging/systemd/sysusers.conf packaging/systemd/tmpfiles.conf \
	packaging/systemd/preset.conf packaging/systemd/links.network \
	packaging/monitoring/README.md packaging/monitoring/alerts.yml \
	packaging/monitoring/grafana-dashboard.json packaging/build-deb \
	packaging/build-rpm packaging/debian packaging/rpm
CLEANFILES += packaging/systemd/hoody-agent.service $(LEAF_UNITS)

packaging/systemd/hoody-agent.service: packaging/systemd/hoody-agent.service.in
	@$(MKDIR_P) packaging/systemd
	$(AM_V_GEN)sed 's|[@]sbindir[@]|$(sbindir)|g' '$(srcdir)/packaging/systemd/hoody-agent.service.in' >$@

$(LEAF_UNITS): packaging/systemd/leaf.conf $(LEAF_UNITS:=.in)
	@$(MKDIR_P) packaging/systemd
	$(AM_V_GEN)sed -e 's|[@]pkglibexecdir[@]|$(pkglibexecdir)|g' -e '/^[@]leaf[@]$$/{' \
		-e 'r $(srcdir)/packaging/systemd/leaf.conf' -e 'd' -e '}' '$(srcdir)/$@.in' >$@

packaging/completions/hoodyctl packaging/completions/_hoodyctl \
	packaging/completions/hoodyctl.fish: agent/hoodyctl$(EXEEXT)
	@$(MKDIR_P) packaging/completions
	$(AM_V_GEN)case $@ in */_*) shell=zsh ;; *.fish) shell=fish ;; *) shell=bash ;; esac; \
		ASAN_OPTIONS=detect_leaks=0 agent/hoodyctl$(EXEEXT) completion $$shell >$@.new && mv $@.new $@

# An operator's configuration is never overwritten, nor removed.
confdir = $(DESTDIR)$(sysconfdir)/hoody-agent
sysusersdir = $(DESTDIR)$(prefix)/lib/sysusers.d
tmpfilesdir = $(DESTDIR)$(prefix)/lib/tmpfiles.d
presetdir = $(DESTDIR)$(prefix)/lib/systemd/system-preset
networkdir = $(DESTDIR)$(prefix)/lib/systemd/network
install-data-local:
	$(MKDIR_P) '$(confdir)/agent.conf.d' '$(sysusersdir)' '$(tmpfilesdir)' '$(presetdir)' \
		'$(networkdir)'
	test -e '$(confdir)/agent.conf' || $(INSTALL_DATA) '$(srcdir)/packaging/agent.conf' '$(confdir)/agent.conf'
	$(INSTALL_DATA) '$(srcdir)/packaging/systemd/sysusers.conf' '$(sysusersdir)/hoody-agent.conf'
	$(INSTALL_DATA) '$(srcdir)/packaging/systemd/tmpfiles.conf' '$(tmpfilesdir)/hoody-agent.conf'
	$(INSTALL_DATA) '$(srcdir)/packaging/systemd/preset.conf' '$(presetdir)/80-hoody-agent.preset'
	$(INSTALL_DATA) '$(srcdir)/packaging/systemd/links.network' '$(networkdir)/10-hoody-agent.network'
uninstall-local:
	! cmp -s '$(srcdir)/packaging/agent.conf' '$(confdir)/agent.conf' || rm -f '$(confdir)/agent.conf'
	-rmdir '$(confdir)/agent.conf.d' '$(confdir)' 2>/dev/null
	rm -f '$(sysusersdir)/hoody-agent.conf' '$(tmpfilesdir)/hoody-agent.conf' '$(presetdir)/80-hoody-agent.preset' \
		'$(networkdir)/10-hoody-agent.network'
