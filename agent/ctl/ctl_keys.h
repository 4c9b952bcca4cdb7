/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The KEY=VALUE words of commands: which keys there are, by the very tables that the agent judges
 * them by (agent/common/api_bodies.def), and the body that is made of them. */
#pragma once

#include "agent/common/api_form.h"
#include "agent/ctl/ctl.h"
#include "proto/oprules.h"

struct ctl_keys {
	const char *command;
	enum op op;           /* whose time-out is the default */
	enum api_form form;   /* of its body; where the two directions' differ, of ingress */
	enum api_form egress; /* API_FORM_NONE: there is one form alone */
	bool texts;           /* values are texts, whatever they look like */
	const char *given;    /* keys that its other words are for: "|action|protocol|" */
};

/* NULL: it takes none. */
const struct ctl_keys *ctl_keys_of(const char *command);

/* The form that is meant where the direction is @direction; NULL: not known yet. */
enum api_form ctl_keys_form(const struct ctl_keys *k, const char *direction);

/* The keys that are worth an offer, one after the other, as api_form_next() has them. */
const struct api_form_field *ctl_keys_next(
	const struct ctl_keys *k, enum api_form form, const struct api_form_field *after);

/* Put the words of ctl->rest from the @first on into @body. Containers and projects go by their
 * names, too. CTL_USAGE: no KEY=VALUE, or a key that isn't known there. */
enum ctl_exit ctl_keys_read(
	const struct ctl *ctl, size_t first, const char *direction, json_t *body, struct err *err);

/* What the keys of @k take, in words: each once, whichever directions have it. */
typedef void ctl_keys_row(const char *name, const char *text, void *userdata);
void ctl_keys_each(const struct ctl_keys *k, ctl_keys_row *each, void *userdata);
