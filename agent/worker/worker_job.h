/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent/worker: hoody-worker, which does one operation's jobs as root and ends.
 *
 * Here lie the jobs, a file for each subject (worker_*; their table is worker_main's), and the
 * words of this header. It alone links liblxc. It stands on lxc, storage, netns, netfilter and
 * proto, and on agent/common for bounds and programs alone; it knows neither the state file nor the
 * configuration: what a job doesn't say it has not.
 *
 * This header is what the agent asks of a worker, and what comes back: the words both sides share.
 *
 * A worker is exec'd with its channel as descriptor 3 and an empty environment; it serves
 * FRAME_WORKER_JOB one after the other and exits when the channel closes. FRAME_WORKER_AHEAD says
 * that a launch comes next, and of whom, in the same words, without params: it takes less time then
 * (agent/worker/worker_ahead.c). It has no state of its own: everything that a job needs is in its
 * payload:
 *
 *   {"job":"launch","verb":"act",
 *    "paths":{"lxc":"<StateDirectory>/lxc","pool":"<Pool>","run":"<RuntimeDirectory>"},
 *    "driver":"auto","cgroup_prefix":"hoody",
 *    "bounds"?:{cgroups, cgroup_depth, namespaces, net_namespaces, inotify, watches, tasks,
 *       memory}, each as configured; tasks and memory 0: a share of the host's
 *       (agent/common/ctbounds.h)
 *    "container":{<ctspec, see lxc/ctspec.h>},
 *    "link":{name, mac, address, address6, limit_bps, dns},
 *    "params":{…of the job…}}
 *
 * verb "act" brings the job's effect about and is idempotent: it first asks the kernel or the disk
 * whether it is so already, and clears away what a killed predecessor left half-done. verb "undo"
 * removes the effect, also half-done, and is idempotent too. Either waits for its turn, as long as
 * params.timeout_ms and a minute at most (agent/worker/worker_turn.h): then it fails with TIMEOUT.
 * With each comes a descriptor: of the network namespace where monitors listen (lxc/ctmonitor);
 * with a session, of its other side.
 * FRAME_WORKER_RESULT: a = 0 with {…result…}, or a = errno with the error (proto/errjson.h).
 *
 *   job      act                                                        undo
 *   rootfs   make <Pool>/containers/<id>/rootfs, atomically             remove it
 *   launch   a running init; result {"pid":N}, descriptor: its pidfd    nothing runs, no cgroup
 *   ended    its init has ended when asked: the rest goes too, and what    as launch
 *            has begun again
 *   kill     nothing of it runs, wedged or not, and no cgroup is left   -
 *   groups   its group remembers its init; or, when it is over, is gone     -
 *            with all that has no init: params {over}
 *   freeze   all its processes are frozen                               thawed
 *   thaw     and the reverse                                            frozen
 *   image-resolve  result {"url","sha256","size"} of params {server, name,  -
 *            architecture, run, ca_pem?}, by simple streams
 *   image-fetch   the archive is in the spool: params {url, digest, size?,  the spool is gone
 *            max_bytes, run, ca_pem?}; resumes what is there
 *   image-unpack  the spool has become an image: params {digest,           it is gone, unless
 *            max_bytes, max_files, replace?, known?};                    a name means it:
 *            result {"size":bytes}                                       known
 *   image-verify  params {digest}; result {"intact":bool}                  -
 *   image-remove  params {digest}                                          -
 *   session  runs a command for whom the job's descriptor leads to         -
 *            (agent/worker/worker_session.h), and goes on without the agent, as a program
 *            of its own that holds nothing of the host's (lxc/ctenter.h)
 *   copy     the root is another's: params {source, snapshot?, running?}    remove it
 *   halt     as kill                                                        as launch
 *   snapshot params {name, running?}; result {"size":bytes}               remove it
 *   snapshot-remove   params {name}                                        -
 *   restore  the root is the snapshot: params {name}                       the old root
 *   sync-build   what will be the root is made: params {source, running?}  it is removed
 *   sync     and takes its place                                           the old root
 *   mounts   of params.targets [{id, mounts:[…]}] each that runs has exactly these  -
 *            (storage/mounts.h); result {"mounts":{id:{key:…}}}
 *   mounts-own   the container itself, with the ramdisk of params.spec, has      the same, with
 *            params.mounts                                                       those of before
 *   ramdisk-measure  result {private, secrets, project}: bytes or null         -
 *   renew    ramdisks may grow as far as there is room (storage/ramlimit.h), and   -
 *            disks' limits hold; result {"recount":bool}: they did not (storage/quota.h)
 *   root-measure  result {root}: bytes, or null where there is none; idle: when nobody    -
 *            else wants the disk or the processor
 *   limits   they are those of params.spec, also while it runs                  the container's
 *   files    its root's files say what params.files does: {env:{name: text}, key:  -
 *            text|null, kit:bool, hostname?:{from,to}, end_sessions?, lenient?}; result
 *            {"env":{"error":code|null,"message"}, "key_installed"?:bool, "left_out"?: what a
 *            lenient one did not do}. launch, rootfs and copy do it too
 *   shutdown-all  params.containers [{id, id_base, image, stop_signal}] have ended, or been    -
 *            killed when they would not in time
 *   remove-all    they are gone, as by kill and rootfs-remove                 -
 *   kexec-load    the running kernel is what kexec starts                     nothing is
 *   reboot   params {kexec}; does not return but by failing                   -
 *   net-sweep     links are gone: params {links:[indices]}                -
 *   settle   the old root is gone: params {keep_base?}                     -
 *   rootfs-remove   its root, its directory and its lxc directory are gone   -
 * */
#pragma once

#define WORKER_JOB_FD 3
