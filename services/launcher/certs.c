#include "services/launcher/certs.h"
#include "services/common/count.h"
#include "services/common/process/service.h"
#include "services/common/text/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "kanchi"
#define DAY (24L * 60 * 60)

enum { CA_DAYS = 20 * 365, BUS_DAYS = 10 * 365, RENEW_DAYS = 365, NAME_MAX_LEN = 253 };

static const char *const usual_names[] = {"storage", "aggregation", "control", "localhost"};

/* A certificate with its key. */
struct identity {
    X509 *cert;
    EVP_PKEY *key;
};

static void identity_fini(struct identity *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
    *id = (struct identity){0};
}

/* ---- files --------------------------------------------------------------------------- */

static void path_of(const char *folder, const char *name, const char *end, char ret[static 4200])
{
    snprintf(ret, 4200, "%s/%s.%s", folder, name, end);
}

/* Empty when there is none, or none that fits together. */
static struct identity load(const char *folder, const char *name)
{
    char path[4200];
    struct identity id = {0};
    path_of(folder, name, "pem", path);
    FILE *in = fopen(path, "re");
    if (in) {
        id.cert = PEM_read_X509(in, NULL, NULL, NULL);
        fclose(in);
    }
    path_of(folder, name, "key", path);
    in = fopen(path, "re");
    if (in) {
        id.key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
        fclose(in);
    }
    if (!id.cert || !id.key || X509_check_private_key(id.cert, id.key) != 1)
        identity_fini(&id);
    ERR_clear_error();
    return id;
}

/* A file that is there is whole: it is written under another name first. */
static FILE *begin(const char *path, mode_t mode)
{
    char part[4300];
    snprintf(part, sizeof(part), "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

static bool finish(const char *path, FILE *out, int written)
{
    char part[4300];
    snprintf(part, sizeof(part), "%s.part", path);
    bool good = fflush(out) == 0 && fsync(fileno(out)) == 0 && written == 1;
    return fclose(out) == 0 && good && rename(part, path) == 0;
}

static bool save(const char *folder, const char *name, const struct identity *id)
{
    char path[4200];
    path_of(folder, name, "key", path);
    FILE *out = begin(path, 0600);
    if (!out ||
        !finish(path, out, PEM_write_PKCS8PrivateKey(out, id->key, NULL, NULL, 0, NULL, NULL)))
        return false;
    path_of(folder, name, "pem", path);
    out = begin(path, 0644);
    return out && finish(path, out, PEM_write_X509(out, id->cert));
}

/* ---- certificates -------------------------------------------------------------------- */

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool good = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool set_serial(X509 *cert)
{
    uint64_t number = 0;
    return RAND_bytes((unsigned char *)&number, sizeof(number)) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), number >> 1) == 1;
}

static bool set_text(X509 *cert, const char *common_name, int days)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
           /* clocks differ */
           X509_gmtime_adj(X509_getm_notBefore(cert), -DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY) &&
           X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"Kanchi",
                                      -1, -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)common_name, -1, -1, 0) == 1;
}

/* names: as in subjectAltName; NULL for the authority, which signs itself. */
static bool issue(const struct identity *ca, const char *names, struct identity *ret)
{
    struct identity id = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};
    const struct identity *by = ca ? ca : &id;
    bool good =
        id.cert && id.key &&
        set_text(id.cert, ca ? "Kanchi bus" : "Kanchi bus authority", ca ? BUS_DAYS : CA_DAYS) &&
        X509_set_issuer_name(id.cert, X509_get_subject_name(by->cert)) == 1 &&
        X509_set_pubkey(id.cert, id.key) == 1;
    if (good && !ca)
        good =
            add_extension(id.cert, by->cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
            add_extension(id.cert, by->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    else if (good)
        good = add_extension(id.cert, by->cert, NID_basic_constraints, "critical,CA:FALSE") &&
               add_extension(id.cert, by->cert, NID_key_usage, "critical,digitalSignature") &&
               add_extension(id.cert, by->cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
               add_extension(id.cert, by->cert, NID_subject_alt_name, names);
    good = good && X509_sign(id.cert, by->key, EVP_sha256()) > 0;
    if (good)
        *ret = id;
    else
        identity_fini(&id);
    return good;
}

static bool lasts(const X509 *cert)
{
    time_t then = time(NULL) + RENEW_DAYS * DAY;
    return X509_cmp_time(X509_get0_notAfter(cert), &then) > 0;
}

static bool has_names(X509 *cert, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (X509_check_host(cert, names[i], 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) != 1)
            return false;
    return true;
}

static bool is_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
    return len > 0 && !text[len] && len <= NAME_MAX_LEN;
}

/* ---- the command --------------------------------------------------------------------- */

static int fail(const char *what, const char *folder)
{
    unsigned long code = ERR_peek_last_error();
    return kn_die(NAME, KN_EXIT_FAILED, "%s in %s: %s", what, folder,
                  code ? ERR_reason_error_string(code) : strerror(errno));
}

static int renew(const char *folder, const struct identity *ca, const char *const *names,
                 size_t count)
{
    struct kn_buf list;
    struct identity bus = {0};
    kn_buf_init(&list, 0);
    for (size_t i = 0; i < count; i++)
        kn_buf_printf(&list, "%sDNS:%s", i ? "," : "", names[i]);
    kn_buf_char(&list, '\0');
    bool good =
        kn_buf_status(&list) == KN_OK && issue(ca, list.data, &bus) && save(folder, "bus", &bus);
    kn_buf_fini(&list);
    identity_fini(&bus);
    if (!good)
        return fail("cannot create the certificate", folder);
    printf("created %s/bus.pem\n", folder);
    return KN_EXIT_OK;
}

static int make(const char *folder, const char *const *names, size_t count)
{
    struct identity ca = load(folder, "ca"), bus = load(folder, "bus");
    int code = KN_EXIT_OK;
    bool kept = ca.cert && lasts(ca.cert) && bus.cert && lasts(bus.cert) &&
                X509_verify(bus.cert, ca.key) == 1 && has_names(bus.cert, names, count);
    identity_fini(&bus);
    if (kept) {
        printf("the certificates in %s are valid\n", folder);
    } else {
        if (!ca.cert || !lasts(ca.cert)) {
            identity_fini(&ca);
            if (!issue(NULL, NULL, &ca) || !save(folder, "ca", &ca))
                code = fail("cannot create the certificate authority", folder);
        }
        if (code == KN_EXIT_OK)
            code = renew(folder, &ca, names, count);
    }
    identity_fini(&ca);
    return code;
}

int launcher_certs(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        bool asked = argc > 1 && strcmp(argv[1], "--help") == 0;
        fprintf(asked ? stdout : stderr,
                "Usage: kanchi certs DIR [NAME]...\n\nCreate a certificate authority (DIR/ca.pem) "
                "and a "
                "certificate for the bus\n(DIR/bus.pem and bus.key) that is valid for these host "
                "names; by default storage,\naggregation, control and localhost. Valid files are "
                "kept; others are replaced.\n");
        return asked ? KN_EXIT_OK : KN_EXIT_CONFIG;
    }
    const char *const *names = argc > 2 ? (const char *const *)argv + 2 : usual_names;
    size_t count = argc > 2 ? (size_t)argc - 2 : KN_COUNT_OF(usual_names);
    for (size_t i = 0; i < count; i++)
        if (!is_name(names[i]))
            return kn_die(NAME, KN_EXIT_CONFIG, "\"%s\" is not a valid host name", names[i]);
    if (strlen(argv[1]) > 4000 || kn_service_make_folder(argv[1]) != KN_OK)
        return kn_die(NAME, KN_EXIT_FAILED, "cannot create %.200s: %s", argv[1], strerror(errno));
    return make(argv[1], names, count);
}
