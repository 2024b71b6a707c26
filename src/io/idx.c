/* IDX files, the format of MNIST (LeCun, Cortes, Burges; yann.lecun.com/exdb/mnist):
 *
 *     00 00 TYPE RANK      TYPE: 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64
 *     size 0 ... size RANK-1     each 4 bytes
 *     elements, row-major
 *
 * all numbers big-endian. A file must hold exactly what its header says. */
#include <backprop/data.h>

#include <string.h>

#include "io/source.h"
#include "memory.h"
#include "text.h"

typedef struct element {
    unsigned char code;
    unsigned char bytes; /* in the file */
    bp_dtype dtype;      /* in memory */
    const char *name;
} element;

static const element elements[] = {
    {0x08, 1, BP_U8, "u8"},   {0x09, 1, BP_I32, "i8"},  {0x0B, 2, BP_I32, "i16"},
    {0x0C, 4, BP_I32, "i32"}, {0x0D, 4, BP_F32, "f32"}, {0x0E, 8, BP_F64, "f64"},
};

typedef struct reader {
    const char *path;
    bp_failure *why;
    bpi_source *source;
    const element *element;
    bp_shape shape;
    int64_t count;
} reader;

static const element *find_element(unsigned char code) {
    for (size_t k = 0; k < sizeof elements / sizeof elements[0]; k++)
        if (elements[k].code == code)
            return &elements[k];
    return NULL;
}

static uint64_t big_endian(const unsigned char *at, int bytes) {
    uint64_t value = 0;
    for (int k = 0; k < bytes; k++)
        value = value << 8 | at[k];
    return value;
}

/* Reads exactly `bytes`. */
static bp_status read_all(reader *r, void *out, size_t bytes) {
    size_t got = 0;
    bp_status status = bpi_source_read(r->source, out, bytes, &got);
    if (status || got == bytes)
        return status;
    if (!r->element)
        return bpi_fail(r->why, BP_ERR_FORMAT,
                        "\"%s\" is not an IDX file: it is shorter than the header of one", r->path);
    char shape[BPI_SHAPE_TEXT];
    return bpi_fail(
        r->why, BP_ERR_FORMAT,
        "\"%s\" ends too early: its header promises %s of %s, %lld bytes; the file is cut "
        "off: get it again",
        r->path, bpi_shape_text(&r->shape, shape), r->element->name,
        (long long)(r->count * r->element->bytes));
}

static bp_status read_magic(reader *r) {
    unsigned char magic[4];
    bp_status status = read_all(r, magic, sizeof magic);
    if (status)
        return status;
    r->element = find_element(magic[2]);
    if (magic[0] || magic[1] || !r->element)
        return bpi_fail(
            r->why, BP_ERR_FORMAT,
            "\"%s\" is not an IDX file: it begins with %02x %02x %02x %02x where 00 00, a "
            "type (08, 09, 0b, 0c, 0d or 0e) and the number of dimensions should stand; "
            "unpack it if it is an archive other than .gz",
            r->path, magic[0], magic[1], magic[2], magic[3]);
    if (magic[3] > BP_MAX_RANK)
        return bpi_fail(r->why, BP_ERR_FORMAT, "\"%s\" has %d dimensions; at most %d are supported",
                        r->path, magic[3], BP_MAX_RANK);
    r->shape.rank = magic[3];
    return BP_OK;
}

static bp_status read_sizes(reader *r) {
    unsigned char sizes[4 * BP_MAX_RANK];
    size_t header = 4 * (size_t)r->shape.rank;
    bp_status status = read_all(r, sizes, header);
    if (status)
        return status;
    for (int k = 0; k < r->shape.rank; k++)
        r->shape.size[k] = (int64_t)big_endian(sizes + 4 * k, 4);
    r->count = bp_shape_count(r->shape);
    char shape[BPI_SHAPE_TEXT];
    if (r->count < 0)
        return bpi_fail(
            r->why, BP_ERR_SHAPE,
            "\"%s\": its header says %s, more elements than can be counted; the file is "
            "damaged, or no IDX file: get it again",
            r->path, bpi_shape_text(&r->shape, shape));
    /* Before memory is asked for: the file must be able to hold as much. */
    int64_t limit = bpi_source_limit(r->source) - 4 - (int64_t)header;
    if (r->count * r->element->bytes > limit)
        return bpi_fail(r->why, BP_ERR_FORMAT,
                        "\"%s\" is too short: its header promises %s of %s, %lld bytes, and it can "
                        "hold at most %lld; the file is cut off: get it again",
                        r->path, bpi_shape_text(&r->shape, shape), r->element->name,
                        (long long)(r->count * r->element->bytes), (long long)limit);
    return BP_OK;
}

/* Converts n elements from the file's form. */
static void decode(const element *e, const unsigned char *in, size_t n, void *out) {
    float *f32 = out;
    double *f64 = out;
    int32_t *i32 = out;
    for (size_t k = 0; k < n; k++, in += e->bytes) {
        uint64_t bits = big_endian(in, e->bytes);
        uint32_t low = (uint32_t)bits;
        switch (e->code) {
        case 0x09: i32[k] = (int32_t)(bits ^ 0x80) - 0x80; break;
        case 0x0B: i32[k] = (int32_t)(bits ^ 0x8000) - 0x8000; break;
        case 0x0C: memcpy(&i32[k], &low, sizeof low); break;
        case 0x0D: memcpy(&f32[k], &low, sizeof low); break;
        default: memcpy(&f64[k], &bits, sizeof bits);
        }
    }
}

static bp_status read_elements(reader *r, char *data) {
    const element *e = r->element;
    if (e->dtype == BP_U8)
        return read_all(r, data, (size_t)r->count);
    unsigned char raw[4096];
    size_t per_piece = sizeof raw / e->bytes, size = bp_dtype_size(e->dtype);
    for (int64_t left = r->count; left > 0;) {
        size_t n = (uint64_t)left < per_piece ? (size_t)left : per_piece;
        bp_status status = read_all(r, raw, n * e->bytes);
        if (status)
            return status;
        decode(e, raw, n, data);
        data += n * size;
        left -= (int64_t)n;
    }
    return BP_OK;
}

/* Nothing may follow; for gzip this also reads, and so checks, the checksum. */
static bp_status read_end(reader *r) {
    unsigned char extra;
    size_t got = 0;
    bp_status status = bpi_source_read(r->source, &extra, 1, &got);
    if (status || got == 0)
        return status;
    char shape[BPI_SHAPE_TEXT];
    return bpi_fail(
        r->why, BP_ERR_FORMAT,
        "\"%s\" is longer than its header says, %s of %s; the file is damaged, or no IDX "
        "file: get it again",
        r->path, bpi_shape_text(&r->shape, shape), r->element->name);
}

static bp_status read_body(reader *r, bp_idx *idx) {
    idx->data = bpi_alloc_aligned((size_t)r->count * bp_dtype_size(r->element->dtype));
    if (!idx->data)
        return bpi_fail(r->why, BP_ERR_MEMORY, "out of memory: \"%s\" needs %lld bytes", r->path,
                        (long long)(r->count * (int64_t)bp_dtype_size(r->element->dtype)));
    idx->type = (bp_type){r->element->dtype, r->shape};
    bp_status status = read_elements(r, idx->data);
    return status ? status : read_end(r);
}

bp_status bp_idx_read(const char *path, bp_idx *idx, bp_failure *why) {
    if (why)
        *why = (bp_failure){0};
    if (!path || !idx)
        return bpi_fail(why, BP_ERR_ARGUMENT, "bp_idx_read: path and idx must not be NULL");
    *idx = (bp_idx){0};
    reader r = {.path = path, .why = why};
    bp_status status = bpi_source_open(path, &r.source, why);
    if (!status)
        status = read_magic(&r);
    if (!status)
        status = read_sizes(&r);
    if (!status)
        status = read_body(&r, idx);
    bpi_source_close(r.source);
    if (status)
        bp_idx_free(idx);
    return status;
}

void bp_idx_free(bp_idx *idx) {
    if (!idx)
        return;
    bpi_free(idx->data);
    *idx = (bp_idx){0};
}
