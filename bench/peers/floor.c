/* The floor: what a step costs that does nothing but its matrix products and the unavoidable memory
 * traffic between them, on this machine and at this moment.
 *
 * Products: each one of the step replayed alone by OpenBLAS in the better of two orientations.
 * Traffic: the bytes of the update that no product touches, as passes over arrays of that size:
 * SGD none (the product adds to the weight itself), momentum the weight read and written (the
 * product accumulates into the velocity), Adam weight and both moments read and written. For a
 * batch of up to four, where a product is nothing but traffic, the floor is all passes over the
 * weights: one read forward, then the update. A Hessian-vector product reads weights and direction
 * and writes the result. Activations, losses and calls are free here, so a floor cannot be reached,
 * only neared.
 */
#include "layer_gemm.h"
#include "protocol.h"

enum { THIN = 4 };

typedef struct floor_state {
    const problem *p;
    int weights;     /* how many numbers */
    real *w, *a, *b; /* the weight and its companions: velocity or moments; direction and result */
    real *x, *y, *g; /* room for the largest batch of activations, values and gradient */
    bool by_output[MAX_LAYERS][PRODUCTS];
    volatile real sink;
} floor_state;

/* Into 64 sums, so that no addition waits for the one before. */
static void read_pass(floor_state *s, const real *restrict a) {
    real sum[64] = {0}, total = 0;
    for (int i = 0; i + 64 <= s->weights; i += 64)
        for (int k = 0; k < 64; k++)
            sum[k] += a[i + k];
    for (int k = 0; k < 64; k++)
        total += sum[k];
    s->sink = total;
}

static void write_pass(floor_state *s, real *restrict a) {
    real value = s->sink;
    for (int i = 0; i < s->weights; i++)
        a[i] = value;
}

static void update_one(floor_state *s, real *restrict a) {
    for (int i = 0; i < s->weights; i++)
        a[i] += (real)0.5;
}

static void update_two(floor_state *s, real *restrict a, real *restrict b) {
    for (int i = 0; i < s->weights; i++)
        a[i] += (real)0.5, b[i] += (real)0.25;
}

static void update_three(floor_state *s, real *restrict a, real *restrict b, real *restrict c) {
    for (int i = 0; i < s->weights; i++)
        a[i] += (real)0.5, b[i] += (real)0.25, c[i] += (real)0.125;
}

static void traffic(floor_state *s) {
    const problem *p = s->p;
    bool thin = p->batch <= THIN;
    if (p->hvp) {
        read_pass(s, s->w), read_pass(s, s->a), write_pass(s, s->b);
        return;
    }
    if (thin)
        read_pass(s, s->w);
    if (p->optimizer == ADAM)
        update_three(s, s->w, s->a, s->b);
    else if (p->optimizer == MOMENTUM && thin)
        update_two(s, s->w, s->a);
    else if (p->optimizer == MOMENTUM || thin)
        update_one(s, s->w);
}

static void products(floor_state *s) {
    const problem *p = s->p;
    real beta = p->optimizer == ADAM ? 0 : 1;
    real *gw = p->optimizer == SGD ? s->w : s->a;
    for (int i = 0, at = 0; i < p->n_layers; i++) {
        int in = p->size[i], out = p->size[i + 1];
        gemm_forward(s->by_output[i][FORWARD], p->batch, in, out, s->x, s->w + at, s->y);
        at += in * out;
    }
    for (int i = p->n_layers - 1, at = s->weights; i >= 0; i--) {
        int in = p->size[i], out = p->size[i + 1];
        at -= in * out;
        if (i > 0)
            gemm_input_gradient(s->by_output[i][INPUT_GRADIENT], p->batch, in, out, s->g, s->w + at,
                                s->x);
        gemm_weight_gradient(s->by_output[i][WEIGHT_GRADIENT], p->batch, in, out, (real)1e-6, s->x,
                             s->g, beta, gw + at);
    }
}

static void steps(void *state, int n) {
    floor_state *s = state;
    for (int i = 0; i < n; i++) {
        if (!s->p->hvp && s->p->batch > THIN)
            products(s);
        traffic(s);
    }
}

static void *open_floor(const problem *p) {
    openblas_set_num_threads(protocol_threads);
    floor_state *s = calloc(1, sizeof *s);
    int widest = 0;
    s->p = p;
    for (int i = 0; i < p->n_layers; i++)
        s->weights += p->size[i] * p->size[i + 1];
    for (int i = 0; i <= p->n_layers; i++)
        widest = p->size[i] > widest ? p->size[i] : widest;
    s->w = new_array(s->weights), s->a = new_array(s->weights), s->b = new_array(s->weights);
    s->x = new_array(p->batch * widest), s->y = new_array(p->batch * widest);
    s->g = new_array(p->batch * widest);
    for (int i = 0; i < p->n_layers; i++) {
        double best[2][PRODUCTS];
        measure_layer(p->batch, p->size[i], p->size[i + 1], best);
        for (int product = 0; product < PRODUCTS; product++)
            s->by_output[i][product] = best[1][product] < best[0][product];
    }
    return s;
}

static void nothing(void *state) { (void)state; }

static void select_batch(void *state, int batch) { (void)state, (void)batch; }

static double no_loss(void *state) {
    (void)state;
    return 0;
}

static void close_floor(void *state) {
    floor_state *s = state;
    free(s->w), free(s->a), free(s->b), free(s->x), free(s->y), free(s->g);
    free(s);
}

const competitor REAL(floor) = {open_floor, nothing, select_batch, steps, no_loss, close_floor};
