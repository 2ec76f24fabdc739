#include "linux_shim.h"

/* Package.swift defines FL_COMMIT, without quotes: they would have to survive every shell on the way here. */
#define FL_TEXT_OF(word) #word
#define FL_TEXT(macro) FL_TEXT_OF(macro)

const char *fl_release_commit(void) {
#ifdef FL_COMMIT
    return FL_TEXT(FL_COMMIT);
#else
    return "";
#endif
}
