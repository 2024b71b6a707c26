/* Folders in the layout of MNIST: images and labels of "train" and "t10k" in IDX files. Others
 * (Fashion-MNIST, KMNIST) are given out in the same way. */
#include <backprop/data.h>

#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "text.h"

enum { LEAST_CLASSES = 10 };

static bool exists(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file)
        fclose(file);
    return file != NULL;
}

/* Finds the path of one file, plain or packed; free it with bpi_free. */
static bp_status find_file(const char *folder, const char *part, const char *what, char **path,
                           bp_failure *why) {
    size_t room = strlen(folder) + strlen(part) + strlen(what) + sizeof "/--ubyte.gz";
    *path = bpi_alloc(room);
    if (!*path)
        return bpi_fail(why, BP_ERR_MEMORY, "out of memory while looking into \"%s\"", folder);
    bpi_format(*path, room, "%s/%s-%s-ubyte", folder, part, what);
    if (exists(*path))
        return BP_OK;
    bpi_format(*path, room, "%s/%s-%s-ubyte.gz", folder, part, what);
    if (exists(*path))
        return BP_OK;
    bpi_free(*path);
    *path = NULL;
    return bpi_fail(
        why, BP_ERR_FILE,
        "\"%s\" has no readable file %s-%s-ubyte or %s-%s-ubyte.gz; name a folder with the "
        "four files of MNIST or Fashion-MNIST",
        folder, part, what, part, what);
}

static bp_status read_images(const char *path, bp_dataset *data, bp_failure *why) {
    bp_idx idx;
    bp_status status = bp_idx_read(path, &idx, why);
    if (status)
        return status;
    const bp_shape *shape = &idx.type.shape;
    char text[BPI_SHAPE_TEXT];
    int64_t count = bp_shape_count(*shape);
    if (idx.type.dtype != BP_U8 || shape->rank != 3 || count == 0) {
        status =
            bpi_fail(why, BP_ERR_FORMAT,
                     "\"%s\" holds %s of %s where images, [count,height,width] of u8, are needed; "
                     "are the files of images and labels swapped?",
                     path, bpi_shape_text(shape, text), bp_dtype_name(idx.type.dtype));
    } else if (!(data->inputs = bpi_alloc_aligned((size_t)count * sizeof *data->inputs))) {
        status = bpi_fail(why, BP_ERR_MEMORY, "out of memory: the images of \"%s\" need %lld bytes",
                          path, (long long)count * 4);
    } else {
        const unsigned char *pixels = idx.data;
        for (int64_t k = 0; k < count; k++)
            data->inputs[k] = (float)pixels[k] / 255.0f;
        data->count = shape->size[0];
        data->height = shape->size[1];
        data->width = shape->size[2];
        data->features = data->height * data->width;
    }
    bp_idx_free(&idx);
    return status;
}

static bp_status take_labels(const char *path, const bp_idx *idx, bp_dataset *data,
                             bp_failure *why) {
    const bp_shape *shape = &idx->type.shape;
    char text[BPI_SHAPE_TEXT];
    if ((idx->type.dtype != BP_U8 && idx->type.dtype != BP_I32) || shape->rank != 1)
        return bpi_fail(
            why, BP_ERR_FORMAT,
            "\"%s\" holds %s of %s where labels, [count] of integers, are needed; are the "
            "files of images and labels swapped?",
            path, bpi_shape_text(shape, text), bp_dtype_name(idx->type.dtype));
    if (shape->size[0] != data->count)
        return bpi_fail(
            why, BP_ERR_SHAPE,
            "\"%s\" holds %lld labels for %lld images; the files do not belong together", path,
            (long long)shape->size[0], (long long)data->count);
    data->labels = bpi_alloc_aligned((size_t)data->count * sizeof *data->labels);
    if (!data->labels)
        return bpi_fail(why, BP_ERR_MEMORY, "out of memory: the labels of \"%s\" need %lld bytes",
                        path, (long long)data->count * 4);
    data->classes = LEAST_CLASSES;
    for (int64_t k = 0; k < data->count; k++) {
        int32_t label = idx->type.dtype == BP_U8 ? ((const unsigned char *)idx->data)[k]
                                                 : ((const int32_t *)idx->data)[k];
        if (label < 0)
            return bpi_fail(why, BP_ERR_VALUE,
                            "\"%s\": label %lld is %d; labels count classes from 0", path,
                            (long long)k, (int)label);
        data->labels[k] = label;
        data->classes = label >= data->classes ? (int64_t)label + 1 : data->classes;
    }
    return BP_OK;
}

static bp_status read_labels(const char *path, bp_dataset *data, bp_failure *why) {
    bp_idx idx;
    bp_status status = bp_idx_read(path, &idx, why);
    if (!status)
        status = take_labels(path, &idx, data, why);
    bp_idx_free(&idx);
    return status;
}

bp_status bp_mnist_read(const char *folder, const char *part, bp_dataset *data, bp_failure *why) {
    if (why)
        *why = (bp_failure){0};
    if (!folder || !part || !data)
        return bpi_fail(
            why, BP_ERR_ARGUMENT,
            "bp_mnist_read: folder, part (\"train\" or \"t10k\") and data must not be NULL");
    *data = (bp_dataset){0};
    char *images = NULL, *labels = NULL;
    bp_status status = find_file(folder, part, "images-idx3", &images, why);
    if (!status)
        status = find_file(folder, part, "labels-idx1", &labels, why);
    if (!status)
        status = read_images(images, data, why);
    if (!status)
        status = read_labels(labels, data, why);
    if (status)
        bp_dataset_free(data);
    bpi_free(images);
    bpi_free(labels);
    return status;
}

void bp_dataset_free(bp_dataset *data) {
    if (!data)
        return;
    bpi_free(data->inputs);
    bpi_free(data->labels);
    *data = (bp_dataset){0};
}
