# SPDX-License-Identifier: GPL-2.0-or-later
# hoody-agent: root, one thread; links neither liblxc, libcurl nor libmicrohttpd.

noinst_LIBRARIES += agent/libengine.a
agent_libengine_a_SOURCES = \
	agent/backoff.c agent/backoff.h \
	agent/heldtime.c agent/heldtime.h \
	agent/lane.c agent/lane.h \
	agent/opstep.c agent/opstep.h
agent_libengine_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)

# All of it but main(), so that tests can call it.
noinst_LIBRARIES += agent/libagent.a
agent_libagent_a_SOURCES = \
	agent/agent.c agent/agent.h \
	agent/aliaslist.c agent/aliaslist.h \
	agent/api.c agent/api.h agent/api_handlers.h agent/api_routes.c agent/api_routes.def \
	agent/api_bodies.def agent/api_body.c agent/api_body.h agent/api_form.c agent/api_form.h agent/api_order.c agent/api_order.h agent/api_show.c agent/api_show.h \
	agent/api_alias.c agent/api_container.c agent/api_env.c agent/api_event.c agent/api_firewall.c agent/api_image.c agent/api_network.c agent/api_node.c agent/api_operation.c agent/api_plan.c agent/api_project.c agent/api_proxy.c agent/api_share.c agent/api_snapshot.c agent/api_stats.c \
	agent/bootstart.c agent/bootstart.h \
	agent/ctfiles.c agent/ctfiles.h \
	agent/ctlsrv.c agent/ctlsrv.h \
	agent/ctmounts.c agent/ctmounts.h \
	agent/ctflows.c agent/ctflows.h \
	agent/ctnet.c agent/ctnet.h \
	agent/ctstop.c agent/ctstop.h \
	agent/drift.c agent/drift.h \
	agent/ctwatch.c agent/ctwatch.h \
	agent/desired.c agent/desired.h \
	agent/envlist.c agent/envlist.h \
	agent/diskcount.c agent/diskcount.h \
	agent/diskuse.c agent/diskuse.h \
	agent/distinct.c agent/distinct.h \
	agent/doclist.c agent/doclist.h \
	agent/engine.c agent/engine.h \
	agent/event.c agent/event.h \
	agent/forwarder.c agent/forwarder.h \
	agent/fwlist.c agent/fwlist.h \
	agent/history.c agent/history.h \
	agent/imagejob.c agent/imagejob.h \
	agent/imagelist.c agent/imagelist.h \
	agent/intake.c agent/intake.h \
	agent/journal.c agent/journal.h \
	agent/keylist.c agent/keylist.h \
	agent/leaf.c agent/leaf.h \
	agent/localorder.c agent/localorder.h \
	agent/ops.c agent/ops.h agent/ops_container.c agent/ops_command.c agent/ops_copy.c agent/ops_env.c agent/ops_firewall.c agent/ops_image.c agent/ops_network.c agent/ops_node.c agent/ops_project.c agent/ops_proxy.c agent/ops_share.c agent/ops_snapshot.c \
	agent/metrics.c agent/metrics.h \
	agent/namefiles.c agent/namefiles.h \
	agent/netlist.c agent/netlist.h \
	agent/notelist.c agent/notelist.h \
	agent/opstate.c agent/opstate.h \
	agent/outbox.c agent/outbox.h \
	agent/portal.c agent/portal.h \
	agent/proxydir.c agent/proxydir.h \
	agent/reaper.c agent/reaper.h \
	agent/sharelist.c agent/sharelist.h \
	agent/snaplist.c agent/snaplist.h \
	agent/spawn.c agent/spawn.h \
	agent/stats.c agent/stats.h \
	agent/tell.c agent/tell.h \
	agent/trust.c agent/trust.h \
	agent/uplink.c agent/uplink.h agent/apiclock.c agent/apiclock.h \
	agent/pace.c agent/pace.h agent/couriersetup.c agent/couriersetup.h \
	agent/errand.c agent/errand.h agent/orderbatch.c agent/orderbatch.h \
	agent/cafile.c agent/cafile.h \
	agent/worker.c agent/worker.h
agent_libagent_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)

sbin_PROGRAMS += agent/hoody-agent
agent_hoody_agent_SOURCES = agent/agent_main.c
agent_hoody_agent_CFLAGS = $(agent_libagent_a_CFLAGS)
agent_hoody_agent_LDADD = agent/libagent.a agent/libengine.a agent/libagentbase.a proto/libchannel.a lxc/libct.a netfilter/libnetfilter.a netns/libnetns.a proto/libproto.a \
	$(NFTNL_LIBS) $(MNL_LIBS) $(SYSTEMD_LIBS) $(SQLITE_LIBS) $(INIH_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) -lm

nodist_agent_libagent_a_SOURCES = agent/api_openapi.c
BUILT_SOURCES += agent/api_openapi.c
CLEANFILES += agent/api_openapi.c
EXTRA_DIST += agent/api-openapi.json
agent/api_openapi.c: $(srcdir)/agent/api-openapi.json
	@$(MKDIR_P) agent
	$(AM_V_GEN)( echo 'extern const char api_openapi_json[];'; echo 'const char api_openapi_json[] ='; \
		sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $(srcdir)/agent/api-openapi.json; echo ';' ) >$@

check_PROGRAMS += tests/unit/test-lane tests/unit/test-opstep
TESTS += tests/unit/test-lane tests/unit/test-opstep
tests_unit_test_lane_SOURCES = tests/unit/test-lane.c tests/unit/tap.h
tests_unit_test_lane_LDADD = agent/libengine.a proto/libproto.a $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_unit_test_lane_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_opstep_SOURCES = tests/unit/test-opstep.c tests/unit/tap.h
tests_unit_test_opstep_LDADD = agent/libengine.a

check_PROGRAMS += tests/unit/test-heldtime
TESTS += tests/unit/test-heldtime
tests_unit_test_heldtime_SOURCES = tests/unit/test-heldtime.c tests/unit/tap.h
tests_unit_test_heldtime_LDADD = agent/libengine.a

check_PROGRAMS += tests/unit/test-herd
TESTS += tests/unit/test-herd
tests_unit_test_herd_SOURCES = tests/unit/test-herd.c tests/unit/tap.h
tests_unit_test_herd_CFLAGS = $(tests_unit_test_backoff_CFLAGS)
tests_unit_test_herd_LDADD = $(tests_unit_test_backoff_LDADD)

check_PROGRAMS += tests/unit/test-backoff
TESTS += tests/unit/test-backoff
tests_unit_test_backoff_SOURCES = tests/unit/test-backoff.c tests/unit/tap.h
tests_unit_test_backoff_LDADD = agent/libengine.a

check_PROGRAMS += tests/unit/test-outbox
TESTS += tests/unit/test-outbox
tests_unit_test_outbox_SOURCES = tests/unit/test-outbox.c tests/unit/tap.h agent/outbox.c
tests_unit_test_outbox_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_outbox_LDADD = agent/libagentbase.a proto/libproto.a $(SQLITE_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) $(SYSTEMD_LIBS)
