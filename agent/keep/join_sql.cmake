# Writes the files that ${PARTS} names (separated by commas) in ${FOLDER}, one after another, as the
# one file ${OUT}: the journal is read and changed in parts, and installed as one transaction.
string(REPLACE "," ";" parts "${PARTS}")
set(text "")
foreach(part IN LISTS parts)
  file(READ ${FOLDER}/${part}.sql sql)
  string(APPEND text "${sql}\n")
endforeach()
file(WRITE ${OUT} "${text}")
