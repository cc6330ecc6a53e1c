coat_fuzz(fuzz_peer_item SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_peer_item.c
  LIBS coat_core CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/peer_item)
coat_fuzz(fuzz_command SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_command.c
  LIBS coat_core CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/command)
coat_fuzz(fuzz_hello SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_hello.c
  LIBS coat_core CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/hello)
