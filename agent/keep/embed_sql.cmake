# Writes the text of ${SQL} as the C array ${NAME}, so that the program and the file that people read
# and run are one source.
file(READ ${SQL} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "extern const char ${NAME}[];
const char ${NAME}[] = { ${bytes} 0 };
")
