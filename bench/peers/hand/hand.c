/* The hand-written competitor: what an expert writes for each workload without a framework.
 *
 * Frozen: it is the unit in which everything else is measured.
 */
#include "hand.h"

#include <cblas.h>
#include <string.h>

static const competitor *choose(const problem *p) {
    static const int xor_size[] = {2, 4, 1};
    openblas_set_num_threads(protocol_threads);
    if (p->hvp)
        return p->f64 && p->n_layers == 2 && p->batch == 1 ? &hvp_f64 : NULL;
    if (p->n_layers == 2 && p->batch == 4 && memcmp(p->size, xor_size, sizeof xor_size) == 0)
        return &xor_f32;
    if (p->batch <= THIN_BATCH && !p->f64 && p->optimizer != ADAM)
        return &thin_f32;
    return p->f64 ? &mlp_f64 : &mlp_f32;
}

int main(int argc, char **argv) { return protocol_serve(argc, argv, choose); }
