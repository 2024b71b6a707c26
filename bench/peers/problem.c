/* Reads a problem file: a text header of "key value" lines, then float32 numbers. */
#include "problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The index of `word` among `n` words, -1 when it is none of them. */
static int index_of(const char *word, const char *const *words, int n) {
    for (int i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return -1;
}

static bool read_header(FILE *file, problem *p, long *count) {
    static const char *const activations[] = {"sigmoid", "relu", "tanh"};
    static const char *const losses[] = {"mse", "cross_entropy"};
    static const char *const optimizers[] = {"sgd", "momentum", "adam"};
    char kind[16], dtype[16], hidden[16], loss[16], optimizer[16];
    int n_sizes = 0;
    if (fscanf(file, "kind %15s dtype %15s batch %d batches %d hidden %15s loss %15s", kind, dtype,
               &p->batch, &p->n_batches, hidden, loss) != 6)
        return false;
    if (fscanf(file, " optimizer %15s %lf %lf %lf %lf layers %d", optimizer, &p->lr, &p->beta1,
               &p->beta2, &p->eps, &n_sizes) != 6)
        return false;
    int h = index_of(hidden, activations, 3), l = index_of(loss, losses, 2);
    int o = index_of(optimizer, optimizers, 3);
    if (h < 0 || l < 0 || o < 0 || n_sizes < 2 || n_sizes > MAX_SIZES || p->n_batches < 1 ||
        p->n_batches > MAX_BATCHES || p->batch < 1)
        return false;
    p->hidden = (activation)h;
    p->loss = (loss_kind)l;
    p->optimizer = (optimizer_kind)o;
    p->hvp = strcmp(kind, "hvp") == 0;
    p->f64 = strcmp(dtype, "f64") == 0;
    p->n_layers = n_sizes - 1;
    for (int i = 0; i < n_sizes; i++)
        if (fscanf(file, "%d", &p->size[i]) != 1 || p->size[i] < 1)
            return false;
    return fscanf(file, " numbers %ld", count) == 1 && fgetc(file) == '\n';
}

static const float *point_at_parameters(const problem *p, const float *at, const float **weight,
                                        const float **bias) {
    for (int i = 0; i < p->n_layers; i++) {
        weight[i] = at;
        bias[i] = at + p->size[i] * p->size[i + 1];
        at = bias[i] + p->size[i + 1];
    }
    return at;
}

/* Sets the pointers; false when the file holds another count of numbers than its header needs. */
static bool point_at_numbers(problem *p, long count) {
    const float *at = point_at_parameters(p, p->numbers, p->weight, p->bias);
    if (p->hvp)
        at = point_at_parameters(p, at, p->weight_direction, p->bias_direction);
    for (int k = 0; k < p->n_batches; k++) {
        p->x[k] = at;
        p->target[k] = at + p->batch * inputs(p);
        at = p->target[k] + target_count(p);
    }
    return at - p->numbers == count;
}

problem *problem_read(const char *dir, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.problem", dir, name);
    FILE *file = fopen(path, "rb");
    problem *p = calloc(1, sizeof *p);
    long count = 0;
    bool ok = file && p && read_header(file, p, &count) && count > 0;
    if (ok) {
        snprintf(p->name, sizeof p->name, "%s", name);
        p->numbers = malloc((size_t)count * sizeof(float));
        ok = p->numbers && fread(p->numbers, sizeof(float), (size_t)count, file) == (size_t)count &&
             point_at_numbers(p, count);
    }
    if (file)
        fclose(file);
    if (!ok) {
        problem_free(p);
        return NULL;
    }
    return p;
}

void problem_free(problem *p) {
    if (p)
        free(p->numbers);
    free(p);
}
