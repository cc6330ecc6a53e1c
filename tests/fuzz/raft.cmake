# Fuzz targets of raft/, against libraft with assertions where there is one.
set(fuzz_raft_libs coat_raft PkgConfig::RAFT)
if(COAT_RAFT_ASSERTED)
  set(fuzz_raft_libs coat_raft_asserted)
endif()
foreach(what message group)
  coat_fuzz(fuzz_${what}
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_${what}.c
    LIBS ${fuzz_raft_libs}
    CORPUS ${CMAKE_CURRENT_LIST_DIR}/corpus/${what})
endforeach()
