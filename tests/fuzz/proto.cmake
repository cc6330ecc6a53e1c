coat_fuzz(fuzz_codec SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_codec.c
  LIBS coat_proto CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/codec)
coat_fuzz(fuzz_operation SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_operation.c
  LIBS coat_proto CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/operation)
coat_fuzz(fuzz_scan SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_scan.c
  LIBS coat_proto CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/scan)
