pkg_check_modules(CYAML REQUIRED IMPORTED_TARGET libcyaml)
coat_fuzz(fuzz_config SOURCES fuzz_config.c ${CMAKE_SOURCE_DIR}/node/config.c
  LIBS coat_shell PkgConfig::CYAML
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/config)
coat_fuzz(fuzz_datadir SOURCES fuzz_datadir.c LIBS coat_shell
  CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/datadir)
