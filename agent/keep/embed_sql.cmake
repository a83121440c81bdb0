# Writes the text of ${SQL} as the C array that agent/keep/journal.c declares, so that the program
# and the file that administrators run are one source.
file(READ ${SQL} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "extern const char journal_sql_text[];
const char journal_sql_text[] = { ${bytes} 0 };
")
