# SPDX-License-Identifier: GPL-2.0-or-later
# hoody-courier: the only one that links libcurl beside hoodyctl; no SQLite, no liblxc.

noinst_LIBRARIES += agent/libcourier.a
agent_libcourier_a_SOURCES = \
	agent/courier.c agent/courier.h \
	agent/gunzip.c agent/gunzip.h \
	agent/http.c agent/http.h \
	agent/http_rules.c agent/http_rules.h
agent_libcourier_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS) $(ZLIB_CFLAGS)

pkglibexec_PROGRAMS += agent/hoody-courier
agent_hoody_courier_SOURCES = \
	agent/courier_main.c \
	agent/fetch.c agent/fetch.h
agent_hoody_courier_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(SECCOMP_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS) $(ZLIB_CFLAGS)
agent_hoody_courier_LDADD = agent/libcourier.a proto/libsandbox.a proto/libchannel.a proto/libproto.a \
	$(CURL_LIBS) $(JANSSON_LIBS) $(SECCOMP_LIBS) $(SODIUM_LIBS) $(SYSTEMD_LIBS) $(ZLIB_LIBS)

