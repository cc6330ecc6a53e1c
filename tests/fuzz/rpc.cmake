coat_fuzz(fuzz_frame SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_frame.c
  ${CMAKE_CURRENT_SOURCE_DIR}/sham.c
  LIBS coat_rpc CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/frame)
coat_fuzz(fuzz_address SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_address.c
  LIBS coat_rpc_pure CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/address)
coat_fuzz(fuzz_resp SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_resp.c
  ${CMAKE_CURRENT_SOURCE_DIR}/sham.c
  LIBS coat_rpc CORPUS ${CMAKE_CURRENT_SOURCE_DIR}/corpus/resp)
