/* Prints the trees of formulas for readers; see phrase.h. */
#include "phrase.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "../text.h"

const char *bpi_arena_format(bpi_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = bpi_vformat(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : bpi_arena_alloc(arena, (size_t)length + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    bpi_vformat(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

int bpi_text_width(const char *text) {
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

/* ---- making phrases -------------------------------------------------------------------------- */

bpi_phrase bpi_phrase_atom(const char *text, bool scalar) {
    return (bpi_phrase){.text = text, .binding = BPI_BIND_ATOM, .scalar = scalar};
}

bpi_phrase bpi_phrase_number(double value, bpi_arena *arena) {
    const char *text = bpi_arena_format(arena, value < 0 ? "−%.6g" : "%.6g", fabs(value));
    return (bpi_phrase){text, value < 0 ? BPI_BIND_PRODUCT : BPI_BIND_ATOM, true, value, true};
}

const char *bpi_phrase_text(const bpi_phrase *phrase, int binding, bpi_arena *arena) {
    if (!phrase->text || phrase->binding >= binding)
        return phrase->text;
    return bpi_arena_format(arena, "(%s)", phrase->text);
}

/* Joins two phrases by an operator; each is put into parentheses unless it binds tightly enough. */
static bpi_phrase join(bpi_phrase a, int left, const char *sign, bpi_phrase b, int right,
                       int binding, bpi_arena *arena) {
    const char *x = bpi_phrase_text(&a, left, arena), *y = bpi_phrase_text(&b, right, arena);
    bpi_phrase joined = {.binding = binding, .scalar = a.scalar && b.scalar};
    joined.text = x && y ? bpi_arena_format(arena, "%s%s%s", x, sign, y) : NULL;
    return joined;
}

static bool is(bpi_phrase x, double value) { return x.number && x.value == value; }

static const char minus[] = "−";
static bool negative(bpi_phrase x) {
    return x.text && strncmp(x.text, minus, sizeof minus - 1) == 0;
}

static bpi_phrase negated(bpi_phrase x, bpi_arena *arena) {
    if (x.number)
        return bpi_phrase_number(-x.value, arena);
    if (negative(x) && x.binding >= BPI_BIND_PRODUCT) {
        x.text += sizeof minus - 1;
        return x;
    }
    const char *text = bpi_phrase_text(&x, BPI_BIND_MATMUL, arena);
    x.text = text ? bpi_arena_format(arena, "−%s", text) : NULL;
    x.binding = BPI_BIND_PRODUCT;
    return x;
}

static bpi_phrase difference(bpi_phrase a, bpi_phrase b, bpi_arena *arena) {
    if (a.number && b.number)
        return bpi_phrase_number(a.value - b.value, arena);
    if (is(b, 0))
        return a;
    if (is(a, 0))
        return negated(b, arena);
    return join(a, BPI_BIND_SUM, " − ", b, BPI_BIND_MATMUL, BPI_BIND_SUM, arena);
}

bpi_phrase bpi_phrase_sum(bpi_phrase a, bpi_phrase b, bpi_arena *arena) {
    if (a.number && b.number)
        return bpi_phrase_number(a.value + b.value, arena);
    if (is(a, 0))
        return b;
    if (is(b, 0))
        return a;
    if (negative(b))
        return difference(a, negated(b, arena), arena);
    return join(a, BPI_BIND_SUM, " + ", b, BPI_BIND_SUM, BPI_BIND_SUM, arena);
}

/* Numbers go first and need no sign; ⊙ is the product element by element. */
static bpi_phrase product(bpi_phrase a, bpi_phrase b, bpi_arena *arena) {
    if (b.number && !a.number) {
        bpi_phrase kept = a;
        a = b;
        b = kept;
    }
    if (a.number && b.number && a.binding == BPI_BIND_ATOM && b.binding == BPI_BIND_ATOM)
        return bpi_phrase_number(a.value * b.value, arena);
    if (is(a, 0) || is(b, 1))
        return a;
    if (is(a, 1))
        return b;
    if (is(a, -1))
        return negated(b, arena);
    const char *sign = a.number ? " " : a.scalar || b.scalar ? " * " : " ⊙ ";
    return join(a, BPI_BIND_PRODUCT, sign, b, a.number ? BPI_BIND_POWER : BPI_BIND_PRODUCT,
                BPI_BIND_PRODUCT, arena);
}

/* 2 / 8 stays as it is: it says more than 0.25. */
static bpi_phrase quotient(bpi_phrase a, bpi_phrase b, bpi_arena *arena) {
    if (is(b, 1) || is(a, 0))
        return a;
    if (a.number && b.number && floor(a.value / b.value) == a.value / b.value)
        return bpi_phrase_number(a.value / b.value, arena);
    bool fraction = a.number && !b.number && a.text && strchr(a.text, '/'); /* (1/8) / x */
    bpi_phrase ratio =
        join(a, fraction ? BPI_BIND_ATOM : BPI_BIND_PRODUCT, a.number && b.number ? "/" : " / ", b,
             BPI_BIND_POWER, BPI_BIND_PRODUCT, arena);
    ratio.number = a.number && b.number;
    ratio.value = ratio.number ? a.value / b.value : 0;
    ratio.scalar = a.scalar && b.scalar;
    return ratio;
}

static bpi_phrase power(bpi_phrase a, bpi_phrase b, bpi_arena *arena) {
    const char *base = bpi_phrase_text(&a, BPI_BIND_ATOM, arena);
    const char *exponent = bpi_phrase_text(&b, BPI_BIND_ATOM, arena);
    bpi_phrase p = {.binding = BPI_BIND_POWER, .scalar = a.scalar};
    if (base && exponent)
        p.text = is(b, 2)   ? bpi_arena_format(arena, "%s²", base)
                 : is(b, 3) ? bpi_arena_format(arena, "%s³", base)
                            : bpi_arena_format(arena, "%s^%s", base, exponent);
    return p;
}

/* Twice transposed is the thing itself. */
bpi_phrase bpi_phrase_transposed(bpi_phrase x, bpi_arena *arena) {
    static const char mark[] = "ᵀ";
    size_t length = x.text ? strlen(x.text) : 0, tail = sizeof mark - 1;
    if (x.binding == BPI_BIND_ATOM && length > tail && strcmp(x.text + length - tail, mark) == 0) {
        x.text = bpi_arena_format(arena, "%.*s", (int)(length - tail), x.text);
        return x;
    }
    const char *text = bpi_phrase_text(&x, BPI_BIND_ATOM, arena);
    x.text = text ? bpi_arena_format(arena, "%sᵀ", text) : NULL;
    x.binding = BPI_BIND_ATOM;
    return x;
}

/* ---- trees ----------------------------------------------------------------------------------- */

/* `name(a, b)` or `a[b, c]`. */
static bpi_phrase list(const char *name, const bpi_phrase *x, int from, int count,
                       const char *brackets, bpi_arena *arena) {
    const char *text = bpi_arena_format(arena, "%s%c", name, brackets[0]);
    for (int k = from; k < count && text; k++)
        text = x[k].text ? bpi_arena_format(arena, k > from ? "%s, %s" : "%s%s", text, x[k].text)
                         : NULL;
    text = text ? bpi_arena_format(arena, "%s%c", text, brackets[1]) : NULL;
    return bpi_phrase_atom(text, false);
}

static bool keeps_number(const char *name) {
    return strcmp(name, "expand") == 0 || strcmp(name, "reshape") == 0;
}

static bpi_phrase call(const bpi_expr *expr, const bpi_phrase_names *names, const bpi_phrase *x) {
    bpi_phrase other;
    if (names->call(names->context, expr, x, &other))
        return other;
    if (expr->args > 0 && x[0].number && keeps_number(expr->name))
        return x[0];
    bool whole = expr->args > 0 && expr->arg[0]->kind == BPI_EXPR_NAME;
    if (strcmp(expr->name, "size") == 0 && whole) {
        const bpi_expr *along = expr->args > 1 ? expr->arg[1] : NULL;
        double size = names->size(names->context, expr->arg[0]->name, along);
        if (size > 0)
            return bpi_phrase_number(size, names->arena);
    }
    return list(expr->name, x, 0, expr->args, "()", names->arena);
}

static bpi_phrase compare(const bpi_expr *expr, const bpi_phrase *x, bpi_arena *arena) {
    static const char *const signs[] = {" < ", " ≤ ", " > ", " ≥ ", " = ", " ≠ "};
    return join(x[0], BPI_BIND_SUM, signs[expr->kind - BPI_EXPR_LESS], x[1], BPI_BIND_SUM,
                BPI_BIND_COMPARE, arena);
}

static bpi_phrase choose(const bpi_phrase *x, bpi_arena *arena) {
    bpi_phrase y = {.binding = BPI_BIND_CHOICE};
    const char *condition = bpi_phrase_text(&x[0], BPI_BIND_COMPARE, arena);
    if (condition && x[1].text && x[2].text)
        y.text = bpi_arena_format(arena, "%s ? %s : %s", condition, x[1].text, x[2].text);
    return y;
}

bpi_phrase bpi_phrase_of(const bpi_expr *expr, const bpi_phrase_names *names) {
    bpi_arena *arena = names->arena;
    bpi_phrase x[8] = {{.text = ""}}, found;
    for (int k = 0; k < expr->args && k < 8; k++)
        x[k] = bpi_phrase_of(expr->arg[k], names);
    switch (expr->kind) {
    case BPI_EXPR_NUMBER: return bpi_phrase_number(expr->number, arena);
    case BPI_EXPR_NAME:
        return names->find(names->context, expr->name, &found)
                   ? found
                   : bpi_phrase_atom(bpi_arena_format(arena, "%s", expr->name), false);
    case BPI_EXPR_CALL: return call(expr, names, x);
    case BPI_EXPR_INDEX: return list(x[0].text ? x[0].text : "", x, 1, expr->args, "[]", arena);
    case BPI_EXPR_NEGATE: return negated(x[0], arena);
    case BPI_EXPR_TRANSPOSE: return bpi_phrase_transposed(x[0], arena);
    case BPI_EXPR_ADD: return bpi_phrase_sum(x[0], x[1], arena);
    case BPI_EXPR_SUB: return difference(x[0], x[1], arena);
    case BPI_EXPR_MUL: return product(x[0], x[1], arena);
    case BPI_EXPR_DIV: return quotient(x[0], x[1], arena);
    case BPI_EXPR_MATMUL:
        return join(x[0], BPI_BIND_POWER, " · ", x[1], BPI_BIND_POWER, BPI_BIND_MATMUL, arena);
    case BPI_EXPR_POWER: return power(x[0], x[1], arena);
    case BPI_EXPR_CHOICE: return choose(x, arena);
    default: return compare(expr, x, arena);
    }
}
