# SPDX-License-Identifier: GPL-2.0-or-later
# hoody-courier: the only one that links libcurl beside hoodyctl; no SQLite, no liblxc.

noinst_LIBRARIES += agent/courier/libcourier.a
agent_courier_libcourier_a_SOURCES = \
	agent/courier/batchpack.c agent/courier/batchpack.h \
	agent/courier/courier.c agent/courier/courier.h \
	agent/courier/gunzip.c agent/courier/gunzip.h \
	agent/courier/http.c agent/courier/http.h \
	agent/courier/http_rules.c agent/courier/http_rules.h \
	agent/courier/reply.c agent/courier/reply.h
agent_courier_libcourier_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) \
	$(SYSTEMD_CFLAGS) $(ZLIB_CFLAGS) $(ZSTD_CFLAGS)

pkglibexec_PROGRAMS += agent/hoody-courier
agent_hoody_courier_SOURCES = \
	agent/courier/courier_main.c \
	agent/courier/fetch.c agent/courier/fetch.h
agent_hoody_courier_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(SECCOMP_CFLAGS) $(SODIUM_CFLAGS) \
	$(SYSTEMD_CFLAGS) $(ZLIB_CFLAGS)
agent_hoody_courier_LDADD = agent/courier/libcourier.a proto/libsandbox.a proto/libchannel.a proto/libproto.a \
	$(CURL_LIBS) $(JANSSON_LIBS) $(SECCOMP_LIBS) $(SODIUM_LIBS) $(SYSTEMD_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS)
