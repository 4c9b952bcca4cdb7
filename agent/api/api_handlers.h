/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handlers that the table of routes names, by the section of hoody-api.md that they answer. */
#pragma once

#include "agent/api/api.h"

/* 5: projects */
void api_project_list(struct api_call *c);
void api_project_create(struct api_call *c);
void api_project_get(struct api_call *c);
void api_project_update(struct api_call *c);
void api_project_delete(struct api_call *c);
/* The project of the first argument is here: by its own row, or by a container of it. False:
 * refused. */
bool api_project_is_known(struct api_call *c);
/* May something be made in it? A project of the control API is not made here, and needs no row. */
bool api_project_may_have(struct api_call *c);

/* There is no control API. */
bool api_project_is_standalone(const struct agent *a);
/* The same of a project that the body names, in @field. */
bool api_project_may_take(struct api_call *c, const char *field, const char *id);

/* 6: containers */
void api_container_list(struct api_call *c);
void api_container_list_project(struct api_call *c);
void api_container_create(struct api_call *c);
void api_container_get(struct api_call *c);
void api_container_status_logs(struct api_call *c);
void api_container_copy(struct api_call *c);
void api_container_update(struct api_call *c);

/* 5, 6: statistics */
void api_stats_container(struct api_call *c);
void api_stats_project(struct api_call *c);
void api_stats_all(struct api_call *c);

/* 7: the environment */
void api_env_get(struct api_call *c);

/* 8: the firewall */
void api_firewall_rules(struct api_call *c);

/* 9: network modes */
void api_network_get(struct api_call *c);

/* 10: snapshots */
void api_snapshot_list(struct api_call *c);

/* 11: images */
void api_image_list(struct api_call *c);
void api_image_get(struct api_call *c);
void api_image_import(struct api_call *c);
void api_image_remove(struct api_call *c);

/* 12 to 15: permission documents of the reverse proxy, hooks, settings */
void api_proxy_get(struct api_call *c);
void api_proxy_edit(struct api_call *c);
void api_proxy_delete(struct api_call *c);
void api_proxy_settings(struct api_call *c);
void api_proxy_hooks(struct api_call *c);
void api_proxy_service_hooks(struct api_call *c);
void api_proxy_groups(struct api_call *c);
void api_proxy_services(struct api_call *c);
void api_proxy_service(struct api_call *c);

/* 16: proxy aliases */
void api_alias_list(struct api_call *c);
void api_alias_create(struct api_call *c);
void api_alias_get(struct api_call *c);
void api_alias_update(struct api_call *c);
void api_alias_delete(struct api_call *c);

/* 17: storage shares */
void api_share_all(struct api_call *c);
void api_share_list(struct api_call *c);
void api_share_incoming(struct api_call *c);
void api_share_all_incoming(struct api_call *c);
void api_share_get(struct api_call *c);
void api_share_create(struct api_call *c);
void api_share_update(struct api_call *c);
void api_share_delete(struct api_call *c);
void api_share_mount(struct api_call *c);

/* 21: events; and operations */
void api_event_list(struct api_call *c);
void api_event_stats(struct api_call *c);
void api_event_get(struct api_call *c);
void api_event_delete(struct api_call *c);
void api_event_delete_all(struct api_call *c);
void api_event_cleanup(struct api_call *c);
void api_operation_list(struct api_call *c);
void api_operation_get(struct api_call *c);
void api_operation_events(struct api_call *c);

/* 23, 26.3: the node itself */
void api_node_public_key(struct api_call *c);
void api_node_ip(struct api_call *c);
void api_node_commands(struct api_call *c);
void api_node_runtime(struct api_call *c);
void api_node_execute(struct api_call *c);
void api_node_openapi(struct api_call *c);

/* What a signed order would do here, and whether it would be taken. */
void api_plan_order(struct api_call *c);

/* What only the control plane answers. */
void api_node_control_plane(struct api_call *c);
