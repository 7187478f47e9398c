"""An HTJ2K lossless codestream; no encoder for it is in Debian 12's default set or in pylibjpeg.

32 x 32, 12 bit unsigned, stored value (x*x + 2*y*y) // 2, made with OpenJPH:
ojph_compress -i image.pgm -o image.j2c -reversible true -num_decomps 1 -prog_order RPCL
"""

import base64

import numpy as np

STORED_YX = np.array([[(x * x + 2 * y * y) // 2 for x in range(32)] for y in range(32)], np.uint16)
CODESTREAM = base64.b64decode(
    """
    /0//UQApQAAAAAAgAAAAIAAAAAAAAAAAAAAAIAAAACAAAAAAAAAAAAABCwEB/1AACAACAAAAB/9SAAwAAgABAAEEBEAB/1wAByBw
    cHB4/2QAFgABT3BlbkpQSCBWZXIgMC45LjAu/5AACgAAAAACegAB/5PAAX7UAP8//3t//u8//3ZP/3dvv/nJv/3sO5/5v++961m/
    +cwbnvBvb7vVqb7znG0s4/dvf/tn/3yn3/3kP3/3vU/96Sff+Ly/fetNz/nJJ97vdD97151O9JmnbGIJ/37m937mbz/51if+83tv
    fNrvPvWu5/znG+94vu897Wan+tN7bnOSbzxh+0r37Tvf9jk/+8y7nvKnb7znCT/5vBue7XfvutmZPvWc+5zkJ2+4w+k972xNK9d/
    73q/5/res253qr+96WYn+tZz7nSW/zzHXc7wjefb4OR+d7OtTetdZ2pTeb55w9s8w2eecJcT/OT99ji9J55ug3P73s02N6+nnWpf
    U/rUfXY0meecpCml+Nut7u2s3naqrU3qZ3fa2JTedaJdzedPt9nRXN5zks1M4yd32MYE3nD69pf8O9m4ndV4TjJ2U4vPZGIvdXhK
    EjZSgW9kfxOVf0LS91/vz2d65zV+dnKbfNQBiu9ev1l8Wv16/Xr9Zf16/Xr9ev1l/Xr9ev16/WX9ev16/Xr9Zf16/Xr9ev1l/Xr9
    ev16/WXIQAxiEAMYhADGIQAxtQTAAXq0ABewgP9//z8IWv9//38haP3/f/9DoPX/f/8Pgtb/f/8/CFr/f/9/IWj9/3//Q6D1/3//
    D4LWE4AADU4AADU4AADU4AADU4AADU4AADU4AADQAsVKlSpUrbQC/3//f/9//3//f/9//3//f/9//3//f/9//3//f/9/AA/wAA/w
    AA/wAA/wAA/wAA/wAA/wAA/wABCACCEIAIIQgAghCADHAAAGgAABoAAAaAAAGgAABoAAAaKlSpUqVK27Av/Z
    """
)
