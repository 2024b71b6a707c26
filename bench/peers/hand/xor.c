/* A training step of the 2-4-1 sigmoid net on a batch of four: every size is a constant, so the
 * compiler unrolls it all and one vector exp serves the sixteen hidden units of the batch.
 */
#include "hand.h"
#include "parts.h"

enum { ROWS = 4, IN = 2, HIDDEN = 4 };

typedef struct net {
    const problem *p;
    real w1[IN][HIDDEN], b1[HIDDEN], w2[HIDDEN], b2;
    real x[MAX_BATCHES][ROWS][IN], t[MAX_BATCHES][ROWS];
    int batch;
    double loss;
} net;

static inline real sigmoid(real z) { return 1 / (1 + real_exp(-z)); }

static void step(net *restrict s) {
    real(*x)[IN] = s->x[s->batch];
    const real *t = s->t[s->batch];
    real h[ROWS * HIDDEN], g1[ROWS][HIDDEN], y[ROWS], g2[ROWS], gw2[HIDDEN], gb2 = 0, sum = 0;
    real lr = (real)s->p->lr;

    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < HIDDEN; j++)
            h[r * HIDDEN + j] = x[r][0] * s->w1[0][j] + x[r][1] * s->w1[1][j] + s->b1[j];
    for (int i = 0; i < ROWS * HIDDEN; i++)
        h[i] = sigmoid(h[i]);
    for (int r = 0; r < ROWS; r++) {
        y[r] = s->b2;
        for (int j = 0; j < HIDDEN; j++)
            y[r] += h[r * HIDDEN + j] * s->w2[j];
    }
    for (int r = 0; r < ROWS; r++)
        y[r] = sigmoid(y[r]);

    for (int r = 0; r < ROWS; r++) {
        real e = y[r] - t[r];
        sum += e * e;
        gb2 += g2[r] = (real)2 / ROWS * e * y[r] * (1 - y[r]);
    }
    for (int j = 0; j < HIDDEN; j++)
        gw2[j] = 0;
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < HIDDEN; j++) {
            real value = h[r * HIDDEN + j];
            gw2[j] += g2[r] * value;
            g1[r][j] = g2[r] * s->w2[j] * value * (1 - value);
        }
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < HIDDEN; j++) {
            s->w1[0][j] -= lr * x[r][0] * g1[r][j];
            s->w1[1][j] -= lr * x[r][1] * g1[r][j];
            s->b1[j] -= lr * g1[r][j];
        }
    for (int j = 0; j < HIDDEN; j++)
        s->w2[j] -= lr * gw2[j];
    s->b2 -= lr * gb2;
    s->loss = sum / ROWS;
}

static void steps(void *state, int n) {
    for (int i = 0; i < n; i++)
        step(state);
}

static void *open_net(const problem *p) {
    net *s = calloc(1, sizeof *s);
    s->p = p;
    for (int k = 0; k < p->n_batches; k++) {
        widen(p->x[k], &s->x[k][0][0], ROWS * IN);
        widen(p->target[k], s->t[k], ROWS);
    }
    return s;
}

static void reset(void *state) {
    net *s = state;
    widen(s->p->weight[0], &s->w1[0][0], IN * HIDDEN);
    widen(s->p->bias[0], s->b1, HIDDEN);
    widen(s->p->weight[1], s->w2, HIDDEN);
    widen(s->p->bias[1], &s->b2, 1);
}

static void select_batch(void *state, int batch) { ((net *)state)->batch = batch; }

static double loss(void *state) { return ((net *)state)->loss; }

const competitor xor_f32 = {open_net, reset, select_batch, steps, loss, free};
