/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/rtguard.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netns/rtsock.h"

#define NAME "hoody"

int rtguard_load(uint32_t mark)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = (int32_t)mark },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
			.dst_reg = BPF_REG_1,
			.src_reg = BPF_REG_2,
			.off = offsetof(struct __sk_buff, mark) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_OK },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr a;
	long fd;

	memset(&a, 0, sizeof(a)); /* the kernel looks at what is between its members, too */
	a.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	a.insns = (uintptr_t)program;
	a.insn_cnt = countof(program);
	a.license = (uintptr_t) "GPL";
	strcpy(a.prog_name, NAME);
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	return fd < 0 ? -errno : (int)fd;
}

static struct nl_msg *message(int type, const struct tcmsg *t, const char *kind)
{
	struct nl_msg *m = rtsock_must(nlmsg_alloc_simple(type, NLM_F_CREATE | NLM_F_EXCL));

	if (nlmsg_append(m, (void *)(uintptr_t)t, sizeof(*t), NLMSG_ALIGNTO) < 0 ||
		nla_put_string(m, TCA_KIND, kind) < 0)
		abort(); /* out of memory */
	return m;
}

static void add_hook(struct rtbatch *b, int ifindex)
{
	const struct tcmsg t = { .tcm_ifindex = ifindex,
		.tcm_parent = TC_H_CLSACT,
		.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0) };

	rtbatch_add(b, message(RTM_NEWQDISC, &t, "clsact"));
}

static void add_program(struct rtbatch *b, int ifindex, int fd)
{
	const struct tcmsg t = { .tcm_ifindex = ifindex,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
		.tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL)) };
	struct nl_msg *m = message(RTM_NEWTFILTER, &t, "bpf");
	struct nlattr *options = nla_nest_start(m, TCA_OPTIONS);

	if (!options || nla_put_u32(m, TCA_BPF_FD, (uint32_t)fd) < 0 ||
		nla_put_string(m, TCA_BPF_NAME, NAME) < 0 ||
		nla_put_u32(m, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT) < 0)
		abort(); /* out of memory */
	(void)nla_nest_end(m, options);
	rtbatch_add(b, m);
}

void rtguard_add(struct rtbatch *b, int ifindex, int fd)
{
	add_hook(b, ifindex);
	add_program(b, ifindex, fd);
}
