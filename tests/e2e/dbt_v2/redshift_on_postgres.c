/* An ADBC driver that passes for Redshift's and talks to PostgreSQL.
 *
 * It loads the PostgreSQL driver of the wheel adbc-driver-postgresql, named by REDSHIFT_BASE_DRIVER, and accepts options that
 * only Redshift's driver knows without passing them on.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adbc.h"

typedef AdbcStatusCode (*InitFunction)(int, void *, struct AdbcError *);

static AdbcStatusCode (*base_database_option)(struct AdbcDatabase *, const char *, const char *, struct AdbcError *);
static AdbcStatusCode (*base_connection_option)(struct AdbcConnection *, const char *, const char *, struct AdbcError *);
static AdbcStatusCode (*base_statement_option)(struct AdbcStatement *, const char *, const char *, struct AdbcError *);

static int is_unknown_to_postgres(const char *key) {
  return !strncmp(key, "redshift.", 9) || !strncmp(key, "dbt.", 4) || !strncmp(key, "adbc.redshift", 13);
}

static AdbcStatusCode database_option(struct AdbcDatabase *database, const char *key, const char *value, struct AdbcError *error) {
  return is_unknown_to_postgres(key) ? ADBC_STATUS_OK : base_database_option(database, key, value, error);
}

static AdbcStatusCode connection_option(struct AdbcConnection *connection, const char *key, const char *value, struct AdbcError *error) {
  return is_unknown_to_postgres(key) ? ADBC_STATUS_OK : base_connection_option(connection, key, value, error);
}

static AdbcStatusCode statement_option(struct AdbcStatement *statement, const char *key, const char *value, struct AdbcError *error) {
  return is_unknown_to_postgres(key) ? ADBC_STATUS_OK : base_statement_option(statement, key, value, error);
}

AdbcStatusCode AdbcDriverInit(int version, void *raw_driver, struct AdbcError *error) {
  const char *path = getenv("REDSHIFT_BASE_DRIVER");
  void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  InitFunction init = library ? (InitFunction)dlsym(library, "AdbcDriverInit") : NULL;
  if (!init) {
    fprintf(stderr, "redshift_on_postgres: REDSHIFT_BASE_DRIVER is no ADBC driver: %s\n", path ? dlerror() : "not set");
    return ADBC_STATUS_INTERNAL;
  }
  AdbcStatusCode status = init(version, raw_driver, error);
  if (status != ADBC_STATUS_OK) return status;
  struct AdbcDriver *driver = raw_driver;
  base_database_option = driver->DatabaseSetOption;
  base_connection_option = driver->ConnectionSetOption;
  base_statement_option = driver->StatementSetOption;
  driver->DatabaseSetOption = database_option;
  driver->ConnectionSetOption = connection_option;
  driver->StatementSetOption = statement_option;
  return ADBC_STATUS_OK;
}
