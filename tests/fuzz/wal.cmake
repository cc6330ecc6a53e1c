coat_fuzz(fuzz_wal SOURCES fuzz_wal.c LIBS coat_wal
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/wal)
