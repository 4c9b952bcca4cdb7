# SPDX-License-Identifier: GPL-2.0-or-later
# What local people ask, through the portal.

noinst_LIBRARIES += agent/api/libapi.a
agent_api_libapi_a_SOURCES = \
	agent/api/api.c agent/api/api.h \
	agent/api/api_alias.c \
	agent/api/api_body.c agent/api/api_body.h \
	agent/api/api_container.c \
	agent/api/api_env.c \
	agent/api/api_event.c \
	agent/api/api_firewall.c \
	agent/api/api_query.c agent/api/api_query.h \
	agent/api/api_handlers.h \
	agent/api/api_image.c \
	agent/api/api_network.c \
	agent/api/api_node.c \
	agent/api/api_operation.c \
	agent/api/api_order.c agent/api/api_order.h \
	agent/api/api_plan.c \
	agent/api/api_project.c \
	agent/api/api_proxy.c \
	agent/api/api_proxydoc.c agent/api/api_proxydoc.h \
	agent/api/api_routes.c agent/api/api_routes.def \
	agent/api/api_share.c \
	agent/api/api_show.c agent/api/api_show.h \
	agent/api/api_snapshot.c \
	agent/api/api_stats.c \
	agent/api/ctlsrv.c agent/api/ctlsrv.h \
	agent/api/portal.c agent/api/portal.h
agent_api_libapi_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SYSTEMD_CFLAGS)

nodist_agent_api_libapi_a_SOURCES = agent/api/api_openapi.c
BUILT_SOURCES += agent/api/api_openapi.c
CLEANFILES += agent/api/api_openapi.c
EXTRA_DIST += agent/api/api-openapi.json
agent/api/api_openapi.c: $(srcdir)/agent/api/api-openapi.json
	@$(MKDIR_P) agent/api
	$(AM_V_GEN)( echo 'extern const char api_openapi_json[];'; echo 'const char api_openapi_json[] ='; \
		sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $(srcdir)/agent/api/api-openapi.json; echo ';' ) >$@
