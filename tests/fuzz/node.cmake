coat_fuzz(fuzz_peer_item SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_peer_item.c
  LIBS coat_core CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/peer_item)
coat_fuzz(fuzz_command SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_command.c
  LIBS coat_core CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/command)
coat_fuzz(fuzz_hello SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_hello.c
  LIBS coat_core CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/hello)

# The daemon's settings file, and the files of a data directory.
pkg_check_modules(CYAML REQUIRED IMPORTED_TARGET libcyaml)
coat_fuzz(fuzz_config SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_config.c
  ${CMAKE_SOURCE_DIR}/node/config.c
  LIBS coat_shell PkgConfig::CYAML
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/config)
coat_fuzz(fuzz_datadir SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_datadir.c
  LIBS coat_shell CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/datadir)
coat_fuzz(fuzz_sessions SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_sessions.c
  LIBS coat_core CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/sessions)
