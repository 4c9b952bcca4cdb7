# SPDX-License-Identifier: GPL-2.0-or-later
# Links, addresses and routes, through libnl.

noinst_LIBRARIES += netns/libnetns.a
netns_libnetns_a_SOURCES = \
	netns/ifstats.c netns/ifstats.h \
	netns/ifsysctl.c netns/ifsysctl.h \
	netns/rtbatch.c netns/rtbatch.h \
	netns/rtguard.c netns/rtguard.h \
	netns/rtheard.c netns/rtheard.h \
	netns/rtkeep.c netns/rtkeep.h \
	netns/rtlink.c netns/rtlink.h \
	netns/rtname.c netns/rtname.h \
	netns/rtsock.c netns/rtsock.h
netns_libnetns_a_CFLAGS = $(AM_CFLAGS) -pthread $(NL_CFLAGS) $(MNL_CFLAGS) $(SODIUM_CFLAGS)

check_PROGRAMS += tests/unit/test-ifstats tests/unit/test-rtbatch tests/unit/test-rtkeep
TESTS += tests/unit/test-ifstats tests/unit/test-rtbatch tests/unit/test-rtkeep
tests_unit_test_ifstats_SOURCES = tests/unit/test-ifstats.c tests/unit/tap.h
tests_unit_test_ifstats_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS)
tests_unit_test_ifstats_LDADD = netns/libnetns.a proto/libproto.a $(MNL_LIBS)
tests_unit_test_rtbatch_SOURCES = tests/unit/test-rtbatch.c tests/unit/tap.h
tests_unit_test_rtbatch_CFLAGS = $(AM_CFLAGS) $(NL_CFLAGS)
tests_unit_test_rtbatch_LDADD = netns/libnetns.a proto/libproto.a $(NL_LIBS)
tests_unit_test_rtkeep_SOURCES = tests/unit/test-rtkeep.c tests/unit/tap.h
tests_unit_test_rtkeep_CFLAGS = $(AM_CFLAGS) $(MNL_CFLAGS)
tests_unit_test_rtkeep_LDADD = netns/libnetns.a proto/libproto.a $(MNL_LIBS)

# hoody-netproxy: one per container whose traffic goes through an upstream proxy.
noinst_LIBRARIES += netns/libforward.a
netns_libforward_a_SOURCES = \
	netns/dnsmsg.c netns/dnsmsg.h \
	netns/dnsrelay.c netns/dnsrelay.h \
	netns/dnstable.c netns/dnstable.h \
	netns/relay.c netns/relay.h \
	netns/upstream.c netns/upstream.h \
	netns/upstream_trust.c netns/upstream_trust.h
netns_libforward_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(OPENSSL_CFLAGS) $(SYSTEMD_CFLAGS)

pkglibexec_PROGRAMS += netns/hoody-netproxy
netns_hoody_netproxy_SOURCES = netns/netproxy_main.c
netns_hoody_netproxy_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(SYSTEMD_CFLAGS)
netns_hoody_netproxy_LDADD = netns/libforward.a proto/libsandbox.a proto/libchannel.a proto/libproto.a \
	$(CURL_LIBS) $(OPENSSL_LIBS) $(JANSSON_LIBS) $(SECCOMP_LIBS) $(SYSTEMD_LIBS)

check_PROGRAMS += tests/unit/test-dnsmsg
TESTS += tests/unit/test-dnsmsg
tests_unit_test_dnsmsg_SOURCES = tests/unit/test-dnsmsg.c tests/unit/tap.h
tests_unit_test_dnsmsg_LDADD = netns/libforward.a
