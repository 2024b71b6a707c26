"""Packs digits.txt into a C array: pack_digits.py digits.txt digits_packed.c

The array is the lines column by column, labels first, then the first pixel of all digits and so
on, as zlib packs them (RFC 1950): what stands in one place of the picture packs best together.
"""

import sys
import zlib

source, target = sys.argv[1:]
with open(source, encoding="ascii") as file:
    lines = [line.strip() for line in file if not line.startswith("#")]
columns = "".join("".join(column) for column in zip(*lines))
packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 8, zlib.Z_FILTERED)
packed = packer.compress(columns.encode("ascii")) + packer.flush()
with open(target, "w", encoding="ascii") as file:
    file.write('#include "io/digits.h"\n\n')
    file.write("const unsigned char bpi_digits_packed[] = {\n")
    for at in range(0, len(packed), 20):
        file.write("    " + ", ".join(str(byte) for byte in packed[at:at + 20]) + ",\n")
    file.write("};\n")
    file.write("const unsigned bpi_digits_packed_bytes = sizeof bpi_digits_packed;\n")
