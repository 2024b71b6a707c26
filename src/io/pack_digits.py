"""Packs digits.txt into a C array: pack_digits.py digits.txt digits_packed.c

The array is the digits one behind the other, without line ends, as zlib packs them (RFC 1950).
"""

import sys
import zlib

source, target = sys.argv[1:]
with open(source, encoding="ascii") as file:
    digits = "".join(line.strip() for line in file if not line.startswith("#"))
packed = zlib.compress(digits.encode("ascii"), 9)
with open(target, "w", encoding="ascii") as file:
    file.write('#include "io/digits.h"\n\n')
    file.write("const unsigned char bpi_digits_packed[] = {\n")
    for at in range(0, len(packed), 20):
        file.write("    " + ", ".join(str(byte) for byte in packed[at:at + 20]) + ",\n")
    file.write("};\n")
    file.write("const unsigned bpi_digits_packed_bytes = sizeof bpi_digits_packed;\n")
