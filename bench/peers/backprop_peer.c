/* backprop as a competitor. */
#include "backprop_workload.h"
#include "protocol.h"

static void *open_peer(const problem *p) { return workload_open(p, protocol_threads); }

static const competitor *choose(const problem *p) {
    static const competitor all = {open_peer,      workload_reset, workload_select,
                                   workload_steps, workload_loss,  workload_close};
    (void)p;
    return &all;
}

int main(int argc, char **argv) { return protocol_serve(argc, argv, choose); }
