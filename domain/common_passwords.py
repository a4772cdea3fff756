#!/usr/bin/env python3
"""Makes a C file of a gzipped text: usage: common_passwords.py TEXT.gz OUT.c

OUT.c defines what domain/common_passwords_impl.h declares.
"""

import gzip
import sys
import zlib

source, target = sys.argv[1:]
with gzip.open(source) as f:
    text = f.read()
deflated = zlib.compress(text, 9)
lines = [",".join(map(str, deflated[i : i + 32])) for i in range(0, len(deflated), 32)]
with open(target, "w", encoding="ascii") as out:
    out.write('#include "domain/common_passwords_impl.h"\n\nconst unsigned char common_passwords_deflated[] = {\n')
    out.write(",\n".join(lines) + "\n};\n")
    out.write(f"const unsigned long common_passwords_deflated_bytes = {len(deflated)};\n")
    out.write(f"const unsigned long common_passwords_bytes = {len(text)};\n")
