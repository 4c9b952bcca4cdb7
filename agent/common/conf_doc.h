/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the configuration in print: the list of keys of agent.conf(5), and the example file
 * with every key commented out at its default. The copies in packaging/ are made by `hoodyctl
 * config
 * --man` and `--example`; a test holds them to it. */
#pragma once

#include "proto/base.h"

void conf_doc_man(FILE *f);
void conf_doc_example(FILE *f);
