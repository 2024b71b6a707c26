/* Learns to read the 1,797 handwritten digits that come with the library, in about a second:
 * from four fifths of them, and is then tested on the fifth that it has not seen.
 *
 *     digits [--epochs N] [--seed S] [--naive] [--profile]
 *
 * 64 pixels, 48 relu units, a softmax over ten classes; Adam on shuffled batches of 32. */
#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIXELS = 64, CLASSES = 10, BATCH = 32, MOST = 1797, SHOWN = 6 };

/* Some of the digits. */
typedef struct part {
    int64_t count;
    float inputs[MOST][PIXELS];
    int32_t labels[MOST];
} part;

/* Every fifth digit is held out: the order is by writer, so that both parts have digits of all. */
static void split(const bp_dataset *data, part *seen, part *held) {
    for (int64_t k = 0; k < data->count; k++) {
        part *to = k % 5 == 4 ? held : seen;
        bp_take_rows(data->inputs, sizeof to->inputs[0], &k, 1, to->inputs[to->count]);
        to->labels[to->count++] = data->labels[k];
    }
}

/* The network, for any number of samples; its parameters are the model's. Returns the logits. */
static bp_tensor *network(bp_tensor *x) {
    bp_tensor *h = bp_relu(bp_linear_with(x, "hidden", 48, bp_init_he(), true));
    return bp_linear(h, "output", CLASSES);
}

static bool train(bp_graph *graph, bp_optimizer *adam, const part *seen, int epochs,
                  uint64_t seed) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(BATCH, PIXELS));
    bp_tensor *labels = bp_input(graph, "labels", BP_I32, BP_SHAPE(BATCH));
    bp_tensor *loss = bp_cross_entropy(network(x), labels);
    bp_batches *batches = bp_batches_new(seen->count, BATCH, seed, true);
    float inputs[BATCH][PIXELS];
    int32_t classes[BATCH];
    for (int epoch = 1; epoch <= epochs && !bp_failed(graph); epoch++) {
        double sum = 0;
        int steps = 0;
        int64_t length;
        const int64_t *rows;
        while ((rows = bp_batches_next(batches, &length))) {
            bp_take_rows(seen->inputs, sizeof inputs[0], rows, length, inputs);
            bp_take_rows(seen->labels, sizeof classes[0], rows, length, classes);
            bp_write(x, inputs);
            bp_write(labels, classes);
            bp_step(adam, loss);
            sum += bp_item(loss);
            steps++;
        }
        if (epoch % 5 == 0 || epoch == epochs)
            printf("epoch %2d  mean loss %.4f\n", epoch, sum / steps);
    }
    bp_batches_free(batches);
    return batches && !bp_failed(graph);
}

static int largest(const float *p) {
    int best = 0;
    for (int c = 1; c < CLASSES; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

/* Draws digits side by side, below what they are, what was read, and how sure the network is. */
static void draw(const part *held, const int64_t *rows, int count, const float *p) {
    for (int k = 0; k < count; k++) {
        int read = largest(p + rows[k] * CLASSES);
        printf("%d, read %d %3.0f%%    ", held->labels[rows[k]], read,
               100 * p[rows[k] * CLASSES + read]);
    }
    puts("");
    for (int y = 0; y < 8; y++, puts(""))
        for (int k = 0; k < count; k++, printf("   "))
            for (int x = 0; x < 8; x++) {
                char shade = " .:-=+*#@"[(int)(held->inputs[rows[k]][8 * y + x] * 8)];
                printf("%c%c", shade, shade);
            }
}

/* Returns the share of digits that are read right, and draws some. */
static double test(bp_graph *graph, const part *held) {
    int64_t right = 0, good[SHOWN], bad[SHOWN];
    int goods = 0, bads = 0;
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(held->count, PIXELS));
    bp_point(x, held->inputs);
    bp_tensor *y = bp_softmax(network(x), 1);
    bp_check_report report;
    if (bp_check_plan(&y, 1, &report) != BP_OK)
        return fprintf(stderr, "digits: %s\n", report.text), 0;
    const float *p = bp_f32(y);
    for (int64_t k = 0; p && k < held->count; k++) {
        bool ok = largest(p + k * CLASSES) == held->labels[k];
        right += ok;
        if (ok && goods < SHOWN && k % 7 == 0)
            good[goods++] = k;
        else if (!ok && bads < SHOWN)
            bad[bads++] = k;
    }
    if (!p)
        return fprintf(stderr, "digits: %s\n", bp_error(graph)), 0;
    puts("\nSome that it reads:\n");
    draw(held, good, goods, p);
    puts("\nSome that it misreads:\n");
    draw(held, bad, bads, p);
    return (double)right / (double)held->count;
}

int main(int argc, char **argv) {
    int epochs = 30;
    uint64_t seed = 1;
    bool naive = false, profile = false;
    for (int k = 1; k < argc; k++) {
        if (strcmp(argv[k], "--naive") == 0)
            naive = true;
        else if (strcmp(argv[k], "--profile") == 0)
            profile = true;
        else if (strcmp(argv[k], "--epochs") == 0 && k + 1 < argc)
            epochs = atoi(argv[++k]);
        else if (strcmp(argv[k], "--seed") == 0 && k + 1 < argc)
            seed = strtoull(argv[++k], NULL, 10);
        else
            return fprintf(stderr, "usage: digits [--epochs N] [--seed S] [--naive] [--profile]\n"),
                   2;
    }
    static part seen, held;
    bp_dataset data;
    bp_failure why;
    if (bp_digits(&data, &why) != BP_OK)
        return fprintf(stderr, "digits: %s\n", why.text), EXIT_FAILURE;
    split(&data, &seen, &held);
    bp_dataset_free(&data);

    bp_model *model = bp_model_new();
    bp_seed(model, seed);
    bp_graph *training = bp_graph_new(model), *testing = bp_graph_new(model);
    bp_set_executor(training, naive ? BP_NAIVE : BP_PLANNED);
    bp_set_executor(testing, naive ? BP_NAIVE : BP_PLANNED);
    bp_profile(training, profile); /* where the time of a step goes, shown at the end */
    bp_adam_config config = bp_adam_defaults();
    config.lr = 0.003;
    double accuracy = 0;
    if (train(training, bp_adam(model, &config), &seen, epochs, seed))
        accuracy = test(testing, &held);
    else
        fprintf(stderr, "digits: %s\n", bp_error(training));
    printf("\naccuracy on %lld digits that it has not seen: %.4f\n", (long long)held.count,
           accuracy);
    if (profile)
        printf("\n%s", bp_profile_text(training));
    bp_graph_free(testing);
    bp_graph_free(training);
    bp_model_free(model);
    return accuracy >= 0.95 ? EXIT_SUCCESS : EXIT_FAILURE;
}
