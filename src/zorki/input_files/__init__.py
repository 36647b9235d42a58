"""Files that others wrote, read within bounds: size, depth, length of lines, and regular files alone.

What is broken or beyond a bound ends in one `DataError` that tells the file, the line where there is one, and the
bound. Bounds are arguments, so that a test can lower them; their defaults stand in docs/data.md, "Limits".
"""
