#include "host_shim.h"

#include <malloc.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int fl_store(const struct sockaddr *source, struct fl_address *target)
{
    memset(target, 0, sizeof(*target));
    target->family = source->sa_family;
    if (source->sa_family == AF_INET)
        memcpy(target->bytes, &((const struct sockaddr_in *)source)->sin_addr, 4);
    else if (source->sa_family == AF_INET6)
        memcpy(target->bytes, &((const struct sockaddr_in6 *)source)->sin6_addr, 16);
    else
        return 0;
    return 1;
}

int fl_primary_address(int family, struct fl_address *address)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct sockaddr_storage peer = { .ss_family = (sa_family_t)family };
    socklen_t length;
    /* Documentation addresses: connecting a datagram socket only looks the route up. */
    if (family == AF_INET) {
        struct sockaddr_in *target = (struct sockaddr_in *)&peer;
        target->sin_port = htons(9);
        inet_pton(AF_INET, "192.0.2.1", &target->sin_addr);
        length = sizeof(*target);
    } else {
        struct sockaddr_in6 *target = (struct sockaddr_in6 *)&peer;
        target->sin6_port = htons(9);
        inet_pton(AF_INET6, "2001:db8::1", &target->sin6_addr);
        length = sizeof(*target);
    }
    struct sockaddr_storage own;
    socklen_t own_length = sizeof(own);
    int result = 0;
    if (connect(fd, (struct sockaddr *)&peer, length) < 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_length) < 0)
        result = -errno;
    else if (!fl_store((struct sockaddr *)&own, address))
        result = -EAFNOSUPPORT;
    close(fd);
    return result;
}

int fl_host_name(char *buffer, size_t capacity)
{
    struct utsname name;
    if (uname(&name) < 0)
        return -errno;
    if (strlen(name.nodename) >= capacity)
        return -ENAMETOOLONG;
    strcpy(buffer, name.nodename);
    return 0;
}

int fl_enable_parameter(const char *path)
{
    char value = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t count = read(fd, &value, 1);
    close(fd);
    if (count == 1 && value == '1')
        return 0;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int status = write(fd, "1\n", 2) < 0 ? -errno : 0;
    close(fd);
    return status;
}

void fl_wall_clock(int64_t *seconds, int32_t *microseconds)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *seconds = now.tv_sec;
    *microseconds = (int32_t)(now.tv_nsec / 1000);
}

void fl_format_time(int64_t seconds, char buffer[20])
{
    time_t time = (time_t)seconds;
    struct tm fields;
    gmtime_r(&time, &fields);
    strftime(buffer, 20, "%Y-%m-%dT%H:%M:%S", &fields);
}

int fl_write_all(int fd, const void *data, size_t length)
{
    const char *position = data;
    while (length > 0) {
        ssize_t written = write(fd, position, length);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        position += written;
        length -= (size_t)written;
    }
    return 0;
}

int fl_processor_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (int)count;
}

ssize_t fl_read_small(const char *path, char *buffer, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t length = read(fd, buffer, capacity);
    int error = errno;
    close(fd);
    return length < 0 ? -error : length;
}

int fl_write_small(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t length = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    return length < 0 ? -error : 0;
}

void fl_share_memory(void)
{
    mallopt(M_ARENA_MAX, 1);
    /* Unless it is told, glibc raises this to 32 MiB with what it sees freed. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

void fl_release_memory(void)
{
    malloc_trim(0);
}
