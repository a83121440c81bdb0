# Writes the bytes of ${BIN} as the C array that coordinator/serve/reflection.c declares.
file(READ ${BIN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "#include <stddef.h>
extern const unsigned char skein_descriptors[];
extern const size_t skein_descriptors_size;
const unsigned char skein_descriptors[] = { ${bytes} };
const size_t skein_descriptors_size = sizeof(skein_descriptors);
")
