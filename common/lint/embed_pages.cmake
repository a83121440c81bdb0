# Writes the files of ${FOLDER} one after another as the C array that common/lint/lint_page.c
# declares: pages are written where prose is pleasant to write, and travel inside the program.
file(GLOB pages ${FOLDER}/*.md)
list(SORT pages)
set(bytes "")
foreach(page IN LISTS pages)
  file(READ ${page} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND bytes "${hex}0x0a,")
endforeach()
file(WRITE ${OUT} "extern const char lint_pages_text[];
const char lint_pages_text[] = { ${bytes} 0 };
")
