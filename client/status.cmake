# Writes coatcheck_status.h from STATUS_LIST: cmake -DIN=... -DOUT=... -P this.
file(READ ${IN} text)
string(REGEX MATCHALL "\n    X\\([A-Z_]+, [0-9]+, RETRY_[^)]*\\)" rows "${text}")
set(lines "")
foreach(row IN LISTS rows)
  if(NOT row MATCHES "X\\(([A-Z_]+), ([0-9]+), RETRY_[A-Z]+, +(\"[^\"]*\")\\)")
    message(FATAL_ERROR "a row of STATUS_LIST was not understood: ${row}")
  endif()
  string(REPLACE "\"" "" text ${CMAKE_MATCH_3})
  string(APPEND lines
    "    COAT_${CMAKE_MATCH_1} = ${CMAKE_MATCH_2}, /* ${text} */\n")
endforeach()
if(lines STREQUAL "")
  message(FATAL_ERROR "no rows of STATUS_LIST in ${IN}")
endif()
file(WRITE ${OUT}.new
"/* coatcheck_status.h - how a request ends; part of coatcheck.h.
 *
 * Generated from the list that servers and clients share. Numbers are never
 * reused or changed; a newer server may answer with one that is not here:
 * coat_status_retry() is on the safe side then. */
#ifndef COATCHECK_STATUS_H
#define COATCHECK_STATUS_H

enum coat_status {
${lines}};

#endif
")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
