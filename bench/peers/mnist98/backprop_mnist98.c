/* Trains a net on MNIST from process start to test accuracy; the schedule comes from tools/bench.
 *
 * Adam with a learning rate that rises over the first part of the steps and then falls to zero,
 * both linearly. Options: --data DIR --seed S --threads N --hidden H --batch B --epochs E --lr R
 * --warmup FRACTION. Prints "accuracy A load SECONDS train SECONDS test SECONDS".
 */
#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct options {
    const char *data;
    int seed, threads, hidden, batch, epochs;
    double lr, warmup;
} options;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static options parse(int argc, char **argv) {
    options o = {".", 0, 1, 128, 128, 4, 0.01, 0.1};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *key = argv[i], *value = argv[i + 1];
        if (strcmp(key, "--data") == 0)
            o.data = value;
        else if (strcmp(key, "--seed") == 0)
            o.seed = atoi(value);
        else if (strcmp(key, "--threads") == 0)
            o.threads = atoi(value);
        else if (strcmp(key, "--hidden") == 0)
            o.hidden = atoi(value);
        else if (strcmp(key, "--batch") == 0)
            o.batch = atoi(value);
        else if (strcmp(key, "--epochs") == 0)
            o.epochs = atoi(value);
        else if (strcmp(key, "--lr") == 0)
            o.lr = atof(value);
        else if (strcmp(key, "--warmup") == 0)
            o.warmup = atof(value);
    }
    return o;
}

static bp_tensor *logits_of(bp_tensor *x, const options *o) {
    bp_tensor *h = bp_relu(bp_linear_with(x, "hidden", o->hidden, bp_init_he(), true));
    return bp_linear_with(h, "output", 10, bp_init_he(), true);
}

/* The learning rate as a function of the part of the steps that is done. */
static double rate_at(const options *o, double part) {
    double rise = part / o->warmup, fall = (1 - part) / (1 - o->warmup);
    return o->lr * (rise < fall ? rise : fall);
}

static bp_status train(bp_model *model, const options *o, const bp_dataset *data) {
    bp_graph *g = bp_graph_new(model);
    bp_set_threads(g, o->threads);
    bp_tensor *x = bp_input(g, "x", BP_F32, BP_SHAPE(o->batch, data->features));
    bp_tensor *t = bp_input(g, "t", BP_I32, BP_SHAPE(o->batch));
    bp_tensor *loss = bp_cross_entropy(logits_of(x, o), t);
    bp_optimizer *adam = bp_adam(model, NULL);
    bp_batches *batches = bp_batches_new(data->count, o->batch, (uint64_t)o->seed, true);
    float *inputs = malloc((size_t)(o->batch * data->features) * sizeof *inputs);
    int32_t *labels = malloc((size_t)o->batch * sizeof *labels);
    bp_point(x, inputs);
    bp_point(t, labels);

    int64_t steps = data->count / o->batch * o->epochs, length;
    for (int64_t step = 0; step < steps && batches && inputs && labels;) {
        const int64_t *rows = bp_batches_next(batches, &length);
        if (!rows)
            continue; /* the end of an epoch */
        bp_take_rows(data->inputs, (size_t)data->features * sizeof *inputs, rows, length, inputs);
        bp_take_rows(data->labels, sizeof *labels, rows, length, labels);
        bp_touch(x);
        bp_touch(t);
        bp_set_learning_rate(adam, rate_at(o, (double)++step / (double)steps));
        if (bp_step(adam, loss) != BP_OK)
            break;
    }
    bp_status status = bp_error_status(g);
    if (status != BP_OK)
        fprintf(stderr, "training: %s\n", bp_error(g));
    bp_graph_free(g);
    bp_batches_free(batches);
    free(inputs);
    free(labels);
    return status;
}

/* The part of the samples that the model gets right; NaN on failure. */
static double accuracy(bp_model *model, const options *o, const bp_dataset *data) {
    bp_graph *g = bp_graph_new(model);
    bp_set_threads(g, o->threads);
    bp_tensor *x = bp_input(g, "x", BP_F32, BP_SHAPE(data->count, data->features));
    bp_tensor *t = bp_input(g, "t", BP_I64, BP_SHAPE(data->count));
    bp_tensor *right = bp_equal(bp_argmax(logits_of(x, o), 1), t);
    bp_tensor *part = bp_mean(bp_cast(right, BP_F32), BP_ALL, false);
    int64_t *labels = malloc((size_t)data->count * sizeof *labels);
    for (int64_t i = 0; labels && i < data->count; i++)
        labels[i] = data->labels[i];
    bp_point(x, data->inputs);
    bp_point(t, labels);
    double result = bp_item(part);
    if (bp_failed(g))
        fprintf(stderr, "testing: %s\n", bp_error(g));
    bp_graph_free(g);
    free(labels);
    return result;
}

int main(int argc, char **argv) {
    options o = parse(argc, argv);
    bp_dataset training = {0}, test = {0};
    bp_failure why;
    double start = seconds();
    if (bp_mnist_read(o.data, "train", &training, &why) != BP_OK ||
        bp_mnist_read(o.data, "t10k", &test, &why) != BP_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    double loaded = seconds();
    bp_model *model = bp_model_new();
    bp_seed(model, (uint64_t)o.seed);
    bp_status status = train(model, &o, &training);
    double trained = seconds(), reached = accuracy(model, &o, &test);
    printf("accuracy %.4f load %.3f train %.3f test %.3f\n", reached, loaded - start,
           trained - loaded, seconds() - trained);
    bp_model_free(model);
    bp_dataset_free(&training);
    bp_dataset_free(&test);
    return status == BP_OK ? 0 : 1;
}
