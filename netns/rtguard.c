/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/rtguard.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "hoody"

#define DROPS_SIX 4 /* of the instructions */

int rtguard_load(uint32_t mark, bool six)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
			.dst_reg = BPF_REG_2,
			.src_reg = BPF_REG_1,
			.off = offsetof(struct __sk_buff, protocol) },
		{ .code = BPF_JMP | BPF_JNE | BPF_K,
			.dst_reg = BPF_REG_2,
			.off = 2,
			.imm = htons(ETH_P_IPV6) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_SHOT },
		{ .code = BPF_JMP | BPF_EXIT },
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
	a.insns = (uintptr_t)(program + (six ? DROPS_SIX : 0));
	a.insn_cnt = (uint32_t)(countof(program) - (six ? DROPS_SIX : 0));
	a.license = (uintptr_t) "GPL";
	strcpy(a.prog_name, NAME);
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
	return fd < 0 ? -errno : (int)fd;
}

static struct nlmsghdr *message(
	void *buffer, uint16_t type, const struct tcmsg *t, const char *kind)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
	*(struct tcmsg *)mnl_nlmsg_put_extra_header(h, sizeof(*t)) = *t;
	mnl_attr_put_strz(h, TCA_KIND, kind);
	return h;
}

struct nlmsghdr *rtguard_hook(void *buffer, int ifindex)
{
	const struct tcmsg t = { .tcm_ifindex = ifindex,
		.tcm_parent = TC_H_CLSACT,
		.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0) };

	return message(buffer, RTM_NEWQDISC, &t, "clsact");
}

/* Its handle is the one that the kernel would choose: so it knows a second one for the same. */
struct nlmsghdr *rtguard_program(void *buffer, int ifindex, int fd)
{
	const struct tcmsg t = { .tcm_ifindex = ifindex,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
		.tcm_handle = 1,
		.tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL)) };
	struct nlmsghdr *h = message(buffer, RTM_NEWTFILTER, &t, "bpf");
	struct nlattr *options = mnl_attr_nest_start(h, TCA_OPTIONS);

	mnl_attr_put_u32(h, TCA_BPF_FD, (uint32_t)fd);
	mnl_attr_put_strz(h, TCA_BPF_NAME, NAME);
	mnl_attr_put_u32(h, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(h, options);
	return h;
}
