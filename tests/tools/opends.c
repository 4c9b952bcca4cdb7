/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where what an order may say ends: a line of JSON for every member of every op's params that has
 * ends, as the agent's own table has it (proto/oprules). tests/flow/ends.py tries each. */
#include "proto/oprules.h"
#include <stdio.h>

#include "proto/jsonx.h"
#include "proto/oprules.h"
#include "proto/opschema.h"

static const char *const types[] = {
	[OPSCHEMA_STRING] = "string",
	[OPSCHEMA_INT] = "int",
	[OPSCHEMA_NUMBER] = "number",
	[OPSCHEMA_LIST] = "list",
	[OPSCHEMA_MAP] = "map",
};

static void walk(enum op op, const struct opschema *schema, const char *within);

static void tell(enum op op, const struct opschema_param *p, const char *field)
{
	_cleanup_json_ json_t *v = json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:b}", "op",
		oprules_wire(op), "field", field, "type", types[p->type], "min", (json_int_t)p->min,
		"max", (json_int_t)p->max, "form", p->form != NULL, "lines",
		(p->flags & OPSCHEMA_LINES) != 0);
	_cleanup_(freep) char *line = json_dumps(v, JSON_COMPACT);

	(void)puts(line);
}

static void look(enum op op, const struct opschema_param *p, const char *within)
{
	static const char *const directions[] = { "ingress", "egress" };
	_cleanup_(freep) char *field = xasprintf(
		"%s%s%s", within, *within && p->name ? "." : "", p->name ? p->name : "[]");

	if (p->type < countof(types) && types[p->type] && !p->words &&
		p->max) /* else its form's own */
		tell(op, p, field);
	if (p->item)
		look(op, p->item, field);
	if (p->schema)
		walk(op, p->schema, field);
	for (size_t i = 0; p->pick && i < countof(directions); i++) {
		_cleanup_json_ json_t *params = json_pack("{s:s}", "direction", directions[i]);
		_cleanup_(freep) char *named = xasprintf("%s:%s", directions[i], field);

		walk(op, p->pick(params), named);
	}
}

static void walk(enum op op, const struct opschema *schema, const char *within)
{
	for (size_t i = 0; i < schema->n; i++)
		look(op, &schema->params[i], within);
}

int main(void)
{
	for (enum op op = OP_NONE + 1; op < OP_COUNT; op++)
		walk(op, oprules_schema(op), "");
	return 0;
}
