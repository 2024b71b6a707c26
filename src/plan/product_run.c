/* Running products. */
#include <string.h>

#include "graph.h"
#include "kernel/pool.h"
#include "product.h"

static double scalar(const bpi_plan_product *p, const void *x) {
    return bpi_load((bp_dtype)p->gemm.dtype, x, 0);
}

static void run_finished(const bpi_plan_product *p, const void *const *x, void *const *y) {
    bpi_finish f = {.alpha = p->alpha ? scalar(p, x[p->alpha]) : 1, .relu = p->relu};
    f.alpha = p->minus ? -f.alpha : f.alpha;
    if (p->addend)
        f.beta = p->beta ? scalar(p, x[p->beta]) : 1;
    if (p->addend && x[p->addend] != y[0])
        memcpy(y[0], x[p->addend], p->bytes);
    if (p->moved && x[p->moved] != y[1])
        memcpy(y[1], x[p->moved], p->bytes);
    if (p->moved) {
        f.moved = y[1];
        f.rate = scalar(p, x[p->rate]);
    }
    if (p->bias)
        f.bias = x[p->bias];
    int threads = p->gemm.pieces > 1 ? bpi_pool_threads(*p->threads) : 1;
    bpi_gemm_run(&p->gemm, &f, x[0], x[1], y[0], threads);
}

/* ---- with an op of several results ----------------------------------------------------------- */

/* Makes the arrays of the op those of the panel from row `row` on; scalars are the same for all. */
static void point_panel(const bpi_plan_product *p, const void *const *x, void *const *y,
                        int64_t row) {
    const bpi_product_sweep *s = p->sweep;
    const size_t skip = (size_t)(row * s->n) * bp_dtype_size((bp_dtype)p->gemm.dtype);
    for (int k = 0, own = 2; k < s->call.inputs; k++) {
        bp_array *array = &s->arrays[k];
        const size_t at = array->count > 1 ? skip : 0;
        array->data = k == s->product ? s->panel : (char *)x[own] + at;
        own += k != s->product;
    }
    for (int k = 0; k < s->call.outputs; k++)
        s->arrays[s->call.inputs + k].data = (char *)y[k] + skip;
}

static void sweep_part(void *context, int64_t first, int64_t n) {
    const bpi_product_sweep *s = context;
    s->run(&s->call, first, n);
}

static void run_swept(const bpi_plan_product *p, const void *const *x, void *const *y) {
    bpi_product_sweep *s = p->sweep;
    const bpi_finish bare = {.alpha = 1};
    const int threads = bpi_pool_threads(*p->threads);
    for (int64_t row = 0; row < s->m; row += s->rows) {
        const bool last = s->m - row <= s->rows;
        const bpi_gemm *gemm = last ? &s->last : &p->gemm;
        const int64_t rows = last ? s->m - row : s->rows;
        bpi_gemm_run(gemm, &bare, (const char *)x[0] + (size_t)row * s->row_a, x[1], s->panel,
                     gemm->pieces > 1 ? threads : 1);
        point_panel(p, x, y, row);
        bpi_pool_sweep(threads, rows * s->n, 1, sweep_part, s);
    }
}

void bpi_plan_product_run(const bpi_plan_product *p, const void *const *x, void *const *y) {
    if (p->sweep)
        run_swept(p, x, y);
    else
        run_finished(p, x, y);
}

/* An op with several results has read all of an element before it writes it; a and b are read again
 * for every panel. */
bool bpi_product_may_overwrite(const bpi_plan_product *p, int input, int output) {
    if (p->sweep)
        return input > 1;
    return input > 0 && input == (output == 0 ? p->addend : p->moved);
}
