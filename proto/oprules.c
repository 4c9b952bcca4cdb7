/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ops of PROTOCOL.md section 5, all of them: the schemas of their params, then one row per
 * op. Lengths, patterns and limits are the public API's. Nothing here is done by an op's name:
 * what an op needs, joins and takes is in its row. A new op begins with a row here.
 *
 * A schema is data that proto/opschema.c walks; what it can't say (one member that excludes
 * another) is a judge function of the whole object. Lanes follow from the row and from the ids
 * that the params name; more lanes, for what only the state knows, are added by the op's table
 * in the agent. All is constant and pure: no state, no clock, nothing of the host. */
#include "proto/oprules.h"

#include "proto/dsse.h"
#include "proto/ident.h"
#include "proto/jsonx.h"
#include "proto/opschema.h"

#define SAFE_MAX  ((int64_t)IDENT_SEQ_MAX) /* integers that every JSON reader keeps exact */
#define EPOCH_MAX 253402300799LL           /* year 9999 */
#define PID_LIMIT 4194304                  /* PID_MAX_LIMIT, include/linux/threads.h */
#define RULES_MAX 4096                     /* of one direction; the control API allows about 500 */

#define REQ      OPSCHEMA_REQUIRED
#define NULLABLE OPSCHEMA_NULLABLE

/* clang-format off */
#define STRING(name_, flags_, min_, max_, form_)                                                   \
	{ .name = (name_), .type = OPSCHEMA_STRING, .flags = (flags_), .min = (min_),              \
	  .max = (max_), .form = (form_) }
#define TEXT(name_, flags_, min_, max_) STRING(name_, flags_, min_, max_, NULL)
#define ID(name_, flags_)               STRING(name_, flags_, 0, 0, &opfield_id)
#define WORD(name_, flags_, words_)                                                                \
	{ .name = (name_), .type = OPSCHEMA_STRING, .flags = (flags_), .words = (words_) }
#define INT(name_, flags_, min_, max_)                                                             \
	{ .name = (name_), .type = OPSCHEMA_INT, .flags = (flags_), .min = (min_), .max = (max_) }
#define BOOL(name_, flags_) { .name = (name_), .type = OPSCHEMA_BOOL, .flags = (flags_) }
#define OBJECT(name_, flags_, schema_)                                                             \
	{ .name = (name_), .type = OPSCHEMA_OBJECT, .flags = (flags_), .schema = (schema_) }
#define SCHEMA(params_) { .params = (params_), .n = countof(params_) }
#define SCHEMA_WHOLE(params_, whole_)                                                              \
	{ .params = (params_), .n = countof(params_), .whole = (whole_) }
/* clang-format on */

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct opschema nothing = { 0 };

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool has(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return v && !json_is_null(v);
}

static bool is_text(const json_t *object, const char *key, const char *want)
{
	const char *s = text(object, key);

	return s && strcmp(s, want) == 0;
}

/* --- containers --- */

static const struct opschema_param limits_params[] = {
	{ .name = "cpu_cores",
		.type = OPSCHEMA_NUMBER,
		.flags = NULLABLE,
		.min = 1,
		.max = 102400 },
	INT("memory_bytes", NULLABLE, 1, SAFE_MAX),
	INT("disk_bytes", NULLABLE, 1, SAFE_MAX),
	INT("pids", NULLABLE, 1, PID_LIMIT),
	INT("io_read_bps", NULLABLE, 1, SAFE_MAX),
	INT("io_write_bps", NULLABLE, 1, SAFE_MAX),
	INT("net_bps", NULLABLE, 1, SAFE_MAX),
};
static const struct opschema limits = SCHEMA(limits_params);

static const struct opschema_param env_value = TEXT(NULL, OPSCHEMA_LINES, 1, 4096);

#define ENV_MAP(name_, flags_, min_)                                                     \
	{                                                                                \
		.name = (name_), .type = OPSCHEMA_MAP, .flags = (flags_), .min = (min_), \
		.max = 256, .key = &opfield_env_key, .item = &env_value                  \
	}
#define RAMDISK_SCOPE WORD("ramdisk_scope", 0, WORDS("container", "project"))
#define SSH_KEY       STRING("ssh_public_key", NULLABLE, 1, 16384, &opfield_ssh_key)
#define NAME(min_)    STRING("name", 0, min_, 100, &opfield_name)

static const struct opschema_param realm_item = ID(NULL, 0);

/* Kept and shown, and nothing else. */
/* clang-format off */
#define NOTES                                                                                      \
	STRING("color", NULLABLE, 3, 7, &opfield_color),                                           \
	TEXT("comment", NULLABLE | OPSCHEMA_LINES, 0, 16000),                                      \
	BOOL("ai", 0),                                                                             \
	{ .name = "realm_ids", .type = OPSCHEMA_LIST, .max = 100, .item = &realm_item }
/* clang-format on */

static const struct opschema_param create_params[] = {
	NAME(3),
	STRING("image", REQ, 1, 255, &opfield_image),
	BOOL("autostart", 0),
	BOOL("start", 0),
	ENV_MAP("environment_vars", 0, 0),
	SSH_KEY,
	BOOL("ramdisk", 0),
	RAMDISK_SCOPE,
	BOOL("kvm", 0),
	BOOL("hoody_kit", 0),
	OBJECT("limits", 0, &limits),
	NOTES,
	BOOL("dev_kit", 0),
	BOOL("cache", 0),
	BOOL("cache_image", 0),
};
static const struct opschema create_schema = SCHEMA(create_params);

static const struct opschema_param update_params[] = {
	NAME(1),
	BOOL("autostart", 0),
	ENV_MAP("environment_vars", 0, 0),
	SSH_KEY,
	BOOL("ramdisk", 0),
	RAMDISK_SCOPE,
	OBJECT("limits", 0, &limits),
	NOTES,
};
static const struct opschema update_schema = SCHEMA(update_params);

static const struct opschema_param kvm_params[] = { BOOL("kvm", REQ) };
static const struct opschema kvm_schema = SCHEMA(kvm_params);

static const struct opschema_param delete_params[] = { BOOL("force", 0) };
static const struct opschema delete_schema = SCHEMA(delete_params);

static const struct opschema_param copy_params[] = {
	ID("source_container_id", REQ),
	NAME(3),
	STRING("source_snapshot", 0, 1, 100, &opfield_name),
	SSH_KEY,
	BOOL("copy_firewall_rules", 0),
	BOOL("copy_network_rules", 0),
	BOOL("kvm", 0),
	BOOL("start", 0),
};
static const struct opschema copy_schema = SCHEMA(copy_params);

/* --- environment --- */

static const struct opschema_param env_merge_params[] = { ENV_MAP("vars", REQ, 1) };
static const struct opschema env_merge_schema = SCHEMA(env_merge_params);

static const struct opschema_param env_set_params[] = {
	STRING("key", REQ, 1, 128, &opfield_env_key),
	TEXT("value", REQ | OPSCHEMA_LINES, 1, 4096),
};
static const struct opschema env_set_schema = SCHEMA(env_set_params);
static const struct opschema env_unset_schema = { .params = env_set_params, .n = 1 };

/* --- snapshots --- */

static const struct opschema_param snapshot_create_params[] = {
	TEXT("alias", 0, 0, 100),
	INT("expiry_days", 0, 1, 3650),
	INT("limit", 0, 1, SAFE_MAX),
};
static const struct opschema snapshot_create_schema = SCHEMA(snapshot_create_params);

static const struct opschema_param snapshot_params[] = {
	STRING("name", REQ, 1, 100, &opfield_name),
	TEXT("alias", REQ | NULLABLE, 0, 100),
};
static const struct opschema snapshot_alias_schema = SCHEMA(snapshot_params);
static const struct opschema snapshot_name_schema = { .params = snapshot_params, .n = 1 };

/* --- firewall --- */

#define STATES WORDS("enabled", "disabled")
/* clang-format off */
#define RULE_PARAMS(required_, peer_)                                      \
	{                                                                  \
		WORD("action", required_, WORDS("allow", "reject", "drop")), \
		WORD("protocol", required_, WORDS("tcp", "udp", "icmp4")), \
		STRING("destination_port", 0, 1, 64, &opfield_ports),      \
		STRING("source_port", 0, 1, 64, &opfield_ports),           \
		STRING(peer_, 0, 1, 512, &opfield_addresses),              \
		STRING("icmp_type", 0, 1, 8, &opfield_icmp),               \
		STRING("icmp_code", 0, 1, 8, &opfield_icmp),               \
		TEXT("description", 0, 0, 255),                            \
		WORD("state", 0, STATES),                                  \
	}
/* clang-format on */

/* Ports belong to TCP and UDP, type and code to ICMP. */
static int judge_rule(const json_t *rule, const struct opschema_spot *spot, struct err *err)
{
	static const char *const of_ports[] = { "destination_port", "source_port" };
	static const char *const of_icmp[] = { "icmp_type", "icmp_code" };
	bool icmp = is_text(rule, "protocol", "icmp4");
	const char *const *wrong = icmp ? of_ports : of_icmp;

	for (size_t i = 0; i < 2; i++)
		if (has(rule, wrong[i]))
			return opschema_refuse(spot, wrong[i], ERR_NONE,
				icmp ? "does not go with protocol icmp4"
				     : "goes with protocol icmp4 only",
				err);
	return 0;
}

/* Filters name rules by equality of what they give; one that is empty would match anything. */
static int judge_filters(const json_t *filters, const struct opschema_spot *spot, struct err *err)
{
	if (json_object_size(filters) == 0)
		return opschema_refuse(
			spot, NULL, ERR_NONE, "must name at least one member of a rule", err);
	return 0;
}

static const struct opschema_param ingress_params[] = RULE_PARAMS(REQ, "source");
static const struct opschema_param egress_params[] = RULE_PARAMS(REQ, "destination");
static const struct opschema ingress_rule = SCHEMA_WHOLE(ingress_params, judge_rule);
static const struct opschema egress_rule = SCHEMA_WHOLE(egress_params, judge_rule);

static const struct opschema_param ingress_filter_params[] = RULE_PARAMS(0, "source");
static const struct opschema_param egress_filter_params[] = RULE_PARAMS(0, "destination");
static const struct opschema ingress_filter = SCHEMA_WHOLE(ingress_filter_params, judge_filters);
static const struct opschema egress_filter = SCHEMA_WHOLE(egress_filter_params, judge_filters);

static const struct opschema *pick_rule(const json_t *params)
{
	return is_text(params, "direction", "egress") ? &egress_rule : &ingress_rule;
}

static const struct opschema *pick_filter(const json_t *params)
{
	return is_text(params, "direction", "egress") ? &egress_filter : &ingress_filter;
}

#define DIRECTION WORD("direction", REQ, WORDS("ingress", "egress"))
#define FILTERS(flags_)                                                                            \
	{                                                                                          \
		.name = "filters", .type = OPSCHEMA_OBJECT, .flags = (flags_), .pick = pick_filter \
	}

static const struct opschema_param firewall_add_params[] = {
	DIRECTION,
	{ .name = "rule", .type = OPSCHEMA_OBJECT, .flags = REQ, .pick = pick_rule },
};
static const struct opschema firewall_add_schema = SCHEMA(firewall_add_params);

static const struct opschema_param firewall_toggle_params[] = {
	DIRECTION,
	FILTERS(REQ),
	WORD("state", REQ, STATES),
};
static const struct opschema firewall_toggle_schema = SCHEMA(firewall_toggle_params);

static int judge_remove(const json_t *params, const struct opschema_spot *spot, struct err *err)
{
	if (!has(params, "filters") && !json_is_true(json_object_get(params, "all")))
		return opschema_refuse(
			spot, "filters", ERR_NONE, "is missing, and all is not true", err);
	return 0;
}

static const struct opschema_param firewall_remove_params[] = {
	DIRECTION,
	FILTERS(0),
	BOOL("all", 0),
};
static const struct opschema firewall_remove_schema =
	SCHEMA_WHOLE(firewall_remove_params, judge_remove);

static const struct opschema_param ingress_item = OBJECT(NULL, 0, &ingress_rule);
static const struct opschema_param egress_item = OBJECT(NULL, 0, &egress_rule);
static const struct opschema_param firewall_replace_params[] = {
	{ .name = "ingress", .type = OPSCHEMA_LIST, .max = RULES_MAX, .item = &ingress_item },
	{ .name = "egress", .type = OPSCHEMA_LIST, .max = RULES_MAX, .item = &egress_item },
};
static const struct opschema firewall_replace_schema = SCHEMA(firewall_replace_params);

/* --- network --- */

static const struct opschema_param dns_item = STRING(NULL, 0, 1, 15, &opfield_ipv4);
static const struct opschema_param network_params[] = {
	WORD("type", REQ, WORDS("socks5", "http", "https", "block")),
	STRING("proxy", 0, 1, 2048, &opfield_proxy_url),
	{ .name = "dns_servers", .type = OPSCHEMA_LIST, .max = 4, .item = &dns_item },
	TEXT("country", 0, 0, 100),
	TEXT("city", 0, 0, 100),
	TEXT("region", 0, 0, 100),
	TEXT("comment", 0, 0, 1000),
};

static int judge_network(const json_t *params, const struct opschema_spot *spot, struct err *err)
{
	const char *type = text(params, "type"), *proxy = text(params, "proxy");
	size_t len = strlen(type);

	if (strcmp(type, "block") == 0)
		return 0;
	if (!proxy)
		return opschema_refuse(
			spot, "proxy", ERR_NONE, "is required unless type is block", err);
	if (strncmp(proxy, type, len) != 0 || proxy[len] != ':')
		return opschema_refuse(
			spot, "proxy", ERR_NONE, "must have the scheme that type names", err);
	return 0;
}

static const struct opschema network_schema = SCHEMA_WHOLE(network_params, judge_network);

/* --- shares --- */

#define SHARE_MODE(flags_) WORD("mode", flags_, WORDS("readonly", "readwrite"))
#define SHARE_ALIAS        STRING("alias", NULLABLE, 3, 63, &opfield_share_alias)
#define SHARE_LABEL        STRING("label", NULLABLE, 3, 63, &opfield_share_alias)
#define SHARE_TEXT         TEXT("description", NULLABLE | OPSCHEMA_LINES, 0, 1000)
#define SHARE_EXPIRY       INT("expires_at", NULLABLE, 1, EPOCH_MAX)

static int judge_share(const json_t *params, const struct opschema_spot *spot, struct err *err)
{
	const char *target = text(params, "target_container_id");

	if (!target && !has(params, "target_project_id"))
		return opschema_refuse(spot, "target_container_id", ERR_NONE,
			"or target_project_id is required", err);
	if (target && has(params, "target_project_id"))
		return opschema_refuse(spot, "target_project_id", ERR_NONE,
			"does not go with target_container_id", err);
	if (target && is_text(params, "source_container_id", target))
		return opschema_refuse(spot, "target_container_id", ERR_SELF_SHARE,
			"must be another container than the source", err);
	return 0;
}

static const struct opschema_param share_create_params[] = {
	ID("share_id", REQ),
	ID("source_container_id", REQ),
	STRING("source_path", REQ, 1, 4096, &opfield_share_path),
	ID("target_container_id", 0),
	ID("target_project_id", 0),
	SHARE_MODE(REQ),
	STRING("mount_path", 0, 1, 4096, &opfield_mount_path),
	SHARE_ALIAS,
	BOOL("enabled", 0),
	SHARE_EXPIRY,
	SHARE_LABEL,
	SHARE_TEXT,
};
static const struct opschema share_create_schema = SCHEMA_WHOLE(share_create_params, judge_share);

static const struct opschema_param share_update_params[] = {
	ID("share_id", REQ),
	SHARE_MODE(0),
	BOOL("enabled", 0),
	SHARE_EXPIRY,
	SHARE_ALIAS,
	SHARE_LABEL,
	SHARE_TEXT,
};
static const struct opschema share_update_schema = SCHEMA(share_update_params);
static const struct opschema share_delete_schema = { .params = share_update_params, .n = 1 };

static const struct opschema_param share_mount_params[] = {
	ID("share_id", REQ),
	ID("container_id", REQ),
	BOOL("mount", REQ),
};
static const struct opschema share_mount_schema = SCHEMA(share_mount_params);

/* --- images --- */

static const struct opschema_param image_params[] = {
	STRING("image", REQ, 1, 255, &opfield_image),
	STRING("url", REQ, 1, 4096, &opfield_image_url),
	STRING("sha256", REQ, 0, 0, &opfield_sha256),
	INT("size", 0, 1, SAFE_MAX),
	WORD("format", 0, WORDS("tar", "tar.gz", "tar.xz", "tar.zst")),
	BOOL("refresh", 0),
};
static const struct opschema image_pull_schema = SCHEMA(image_params);
static const struct opschema image_remove_schema = { .params = image_params, .n = 1 };

/* --- proxy --- */

static const struct opschema_param document_params[] = {
	WORD("scope", REQ, WORDS("project", "container")),
	INT("file_version", REQ, 0, SAFE_MAX),
	{ .name = "document", .type = OPSCHEMA_ANY, .flags = REQ | NULLABLE },
};
static const struct opschema document_schema = SCHEMA(document_params);

static const struct opschema_param alias_target_params[] = {
	ID("container_id", REQ),
	ID("project_id", 0),
	STRING("program", 0, 1, 64, &opfield_program),
	INT("port", NULLABLE, 1, 65535),
	INT("index", 0, 1, SAFE_MAX),
	STRING("target_path", NULLABLE, 1, 2048, &opfield_absolute),
	BOOL("allow_path_override", 0),
};
static const struct opschema alias_target = SCHEMA(alias_target_params);

static const struct opschema_param alias_params[] = {
	ID("alias_id", REQ),
	STRING("alias", REQ, 3, 61, &opfield_proxy_alias),
	BOOL("enabled", REQ),
	OBJECT("target", REQ | NULLABLE, &alias_target),
	STRING("expires_at", NULLABLE, 1, 40, &opfield_time),
};
static const struct opschema alias_schema = SCHEMA(alias_params);

/* --- the node --- */

static const struct opschema_param command_params[] = {
	WORD("command", REQ, WORDS("check-uptime", "check-memory", "kexec-reboot", "restart")),
};
static const struct opschema command_schema = SCHEMA(command_params);

#define ROTATION_STEPS_MAX 64

/* One step of a rotation must be a DSSE envelope of the keyset's type; whether it is trusted is not
 * a matter of form. */
static int judge_step(const json_t *v, const struct opschema_spot *spot, struct err *err)
{
	_cleanup_dsse_ struct dsse e = { 0 };
	_cleanup_(freep) char *json = jsonx_dump(v);

	if (dsse_parse(json, strlen(json), KEYSET_PAYLOAD_TYPE, &e, NULL) < 0)
		return opschema_refuse(spot, NULL, ERR_NONE,
			"must be a DSSE envelope of type " KEYSET_PAYLOAD_TYPE, err);
	return 0;
}

static int judge_keyset(const json_t *v, const struct opschema_spot *spot, struct err *err)
{
	struct opschema_spot entry = { .up = spot };
	const json_t *step;
	int r;

	if (!json_is_array(v))
		return judge_step(v, spot, err);
	if (json_array_size(v) < 1 || json_array_size(v) > ROTATION_STEPS_MAX)
		return opschema_refuse(
			spot, NULL, ERR_NONE, "must be a list of 1 to 64 envelopes", err);
	json_array_foreach((json_t *)v, entry.index, step) {
		r = judge_step(step, &entry, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct opschema_param keyset_params[] = {
	{ .name = "keyset", .type = OPSCHEMA_CUSTOM, .flags = REQ, .judge = judge_keyset },
};
static const struct opschema keyset_schema = SCHEMA(keyset_params);

/* --- the table --- */

static const struct opschema_param timeout_param = INT("timeout_s", 0, 1, 600);

enum lanes {
	LANE_CONTAINER, /* the order's container */
	LANE_COPY,      /* and the source's */
	LANE_SHARE,     /* the share's own, and every container or project that the params name */
	LANE_PROJECT,
	LANE_IMAGE,
	LANE_DOCUMENT, /* of whom it is for */
	LANE_ALIAS,
	LANE_NODE,
};

enum needs {
	NEEDS_NOTHING = 0,
	NEEDS_CONTAINER = 1,
	NEEDS_PROJECT = 2,
	NEEDS_BOTH = 3,
	NEEDS_BY_SCOPE = 4, /* proxy.document: what params.scope names */
};

static const struct {
	const char *wire;
	const struct opschema *schema;
	unsigned timeout_s;
	enum oprules_kind kind;
	enum lanes lanes;
	enum needs needs;
} ops[] = {
#define ACT OPRULES_ACT
#define SET OPRULES_SET
	[OP_NONE] = { "", &nothing, 30, SET, LANE_NODE, NEEDS_NOTHING },
	/* clang-format off */
	[OP_CONTAINER_CREATE]     = { "container.create",     &create_schema,          600, ACT, LANE_CONTAINER, NEEDS_BOTH },
	[OP_CONTAINER_UPDATE]     = { "container.update",     &update_schema,           60, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_KVM]        = { "container.kvm",        &kvm_schema,              30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_DELETE]     = { "container.delete",     &delete_schema,          300, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_START]      = { "container.start",      &nothing,                 60, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_STOP]       = { "container.stop",       &nothing,                 30, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_FORCE_STOP] = { "container.force-stop", &nothing,                 30, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_RESTART]    = { "container.restart",    &nothing,                 90, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_PAUSE]      = { "container.pause",      &nothing,                 30, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_RESUME]     = { "container.resume",     &nothing,                 30, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_CONTAINER_COPY]       = { "container.copy",       &copy_schema,            600, ACT, LANE_COPY,      NEEDS_BOTH },
	[OP_CONTAINER_SYNC]       = { "container.sync",       &nothing,                600, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_ENV_MERGE]            = { "env.merge",            &env_merge_schema,        30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_ENV_SET]              = { "env.set",              &env_set_schema,          30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_ENV_UNSET]            = { "env.unset",            &env_unset_schema,        30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_SNAPSHOT_CREATE]      = { "snapshot.create",      &snapshot_create_schema, 600, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_SNAPSHOT_RESTORE]     = { "snapshot.restore",     &snapshot_name_schema,   600, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_SNAPSHOT_DELETE]      = { "snapshot.delete",      &snapshot_name_schema,   300, ACT, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_SNAPSHOT_ALIAS]       = { "snapshot.alias",       &snapshot_alias_schema,   30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_FIREWALL_ADD]         = { "firewall.add",         &firewall_add_schema,     30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_FIREWALL_TOGGLE]      = { "firewall.toggle",      &firewall_toggle_schema,  30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_FIREWALL_REMOVE]      = { "firewall.remove",      &firewall_remove_schema,  30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_FIREWALL_REPLACE]     = { "firewall.replace",     &firewall_replace_schema, 30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_FIREWALL_RESET]       = { "firewall.reset",       &nothing,                 30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_NETWORK_CONFIGURE]    = { "network.configure",    &network_schema,          30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_NETWORK_START]        = { "network.start",        &nothing,                 30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_NETWORK_STOP]         = { "network.stop",         &nothing,                 30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_NETWORK_REMOVE]       = { "network.remove",       &nothing,                 30, SET, LANE_CONTAINER, NEEDS_CONTAINER },
	[OP_SHARE_CREATE]         = { "share.create",         &share_create_schema,     60, SET, LANE_SHARE,     NEEDS_NOTHING },
	[OP_SHARE_UPDATE]         = { "share.update",         &share_update_schema,     60, SET, LANE_SHARE,     NEEDS_NOTHING },
	[OP_SHARE_DELETE]         = { "share.delete",         &share_delete_schema,     60, SET, LANE_SHARE,     NEEDS_NOTHING },
	[OP_SHARE_MOUNT]          = { "share.mount",          &share_mount_schema,      60, SET, LANE_SHARE,     NEEDS_NOTHING },
	[OP_IMAGE_PULL]           = { "image.pull",           &image_pull_schema,      600, ACT, LANE_IMAGE,     NEEDS_NOTHING },
	[OP_IMAGE_REMOVE]         = { "image.remove",         &image_remove_schema,    120, ACT, LANE_IMAGE,     NEEDS_NOTHING },
	[OP_PROXY_DOCUMENT]       = { "proxy.document",       &document_schema,         30, SET, LANE_DOCUMENT,  NEEDS_BY_SCOPE },
	[OP_PROXY_ALIAS]          = { "proxy.alias",          &alias_schema,            30, SET, LANE_ALIAS,     NEEDS_NOTHING },
	[OP_PROJECT_DELETE]       = { "project.delete",       &nothing,                600, ACT, LANE_PROJECT,   NEEDS_PROJECT },
	[OP_NODE_COMMAND]         = { "node.command",         &command_schema,          60, ACT, LANE_NODE,      NEEDS_NOTHING },
	[OP_NODE_RESYNC]          = { "node.resync",          &nothing,                 60, SET, LANE_NODE,      NEEDS_NOTHING },
	[OP_NODE_KEYSET]          = { "node.keyset",          &keyset_schema,           30, SET, LANE_NODE,      NEEDS_NOTHING },
	/* clang-format on */
};
static_assert(countof(ops) == OP_COUNT, "every op has its row");

enum op oprules_find(const char *wire)
{
	for (size_t i = OP_NONE + 1; i < OP_COUNT; i++)
		if (strcmp(ops[i].wire, wire) == 0)
			return (enum op)i;
	return OP_NONE;
}

const char *oprules_wire(enum op op)
{
	return ops[op].wire;
}

enum oprules_kind oprules_kind(enum op op)
{
	return ops[op].kind;
}

bool oprules_needs_container(enum op op, const json_t *params)
{
	return ops[op].needs & NEEDS_CONTAINER ||
	       (ops[op].needs == NEEDS_BY_SCOPE && is_text(params, "scope", "container"));
}

bool oprules_needs_project(enum op op, const json_t *params)
{
	return ops[op].needs & NEEDS_PROJECT ||
	       (ops[op].needs == NEEDS_BY_SCOPE && is_text(params, "scope", "project"));
}

const struct opschema *oprules_schema(enum op op)
{
	return ops[op].schema;
}

int oprules_check(enum op op, const json_t *params, struct err *err)
{
	assert(op > OP_NONE && op < OP_COUNT);
	return opschema_check(params, ops[op].schema, &timeout_param, err);
}

static void lane_name(const char *kind, const char *id, char ret[static OPRULES_LANE_LEN])
{
	(void)snprintf(ret, OPRULES_LANE_LEN, "%s%s%s", kind, id ? ":" : "", id ? id : "");
}

void oprules_append_lane(struct oprules_lanes *l, const char *kind, const char *id)
{
	if (l->n == l->allocated) {
		l->allocated = l->allocated ? l->allocated * 2 : 4;
		l->name = xrealloc(l->name, l->allocated, sizeof(*l->name));
	}
	lane_name(kind, id, l->name[l->n++]);
}

bool oprules_has_lane(const struct oprules_lanes *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->name[i], name) == 0)
			return true;
	return false;
}

void oprules_add_lane(struct oprules_lanes *l, const char *kind, const char *id)
{
	char name[OPRULES_LANE_LEN];

	if (id && !*id)
		return;
	lane_name(kind, id, name);
	if (!oprules_has_lane(l, name))
		oprules_append_lane(l, kind, id);
}

void oprules_lanes_done(struct oprules_lanes *l)
{
	free(l->name);
	*l = (struct oprules_lanes){};
}

/* What the params name, if they do. */
static void join_named(
	struct oprules_lanes *l, const char *kind, const json_t *params, const char *key)
{
	const char *id = text(params, key);

	oprules_add_lane(l, kind, id ? id : "");
}

static void join_share(struct oprules_lanes *l, const json_t *params)
{
	join_named(l, "share", params, "share_id");
	join_named(l, "container", params, "source_container_id");
	join_named(l, "container", params, "target_container_id");
	if (!text(params, "target_container_id"))
		join_named(l, "project", params, "target_project_id");
	join_named(l, "container", params, "container_id");
}

void oprules_lanes(enum op op, const char *container_id, const char *project_id,
	const json_t *params, struct oprules_lanes *ret)
{
	struct oprules_lanes l = { 0 };

	switch (ops[op].lanes) {
	case LANE_CONTAINER:
		oprules_add_lane(&l, "container", container_id);
		break;
	case LANE_COPY:
		oprules_add_lane(&l, "container", container_id);
		join_named(&l, "container", params, "source_container_id");
		break;
	case LANE_SHARE:
		join_share(&l, params);
		break;
	case LANE_PROJECT:
		oprules_add_lane(&l, "project", project_id);
		break;
	case LANE_IMAGE:
		oprules_add_lane(&l, "image", NULL);
		break;
	case LANE_DOCUMENT:
		oprules_add_lane(&l, "document",
			oprules_needs_container(op, params) ? container_id : project_id);
		break;
	case LANE_ALIAS:
		oprules_add_lane(&l, "proxy", NULL);
		break;
	case LANE_NODE:
		oprules_add_lane(&l, "node", NULL);
		break;
	}
	*ret = l;
}

unsigned oprules_timeout_s(enum op op, const json_t *params)
{
	const json_t *v = json_object_get(params, timeout_param.name);

	return json_is_integer(v) ? (unsigned)json_integer_value(v) : ops[op].timeout_s;
}
