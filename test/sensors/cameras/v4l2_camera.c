// SPDX-License-Identifier: Apache-2.0
//
// A camera at /dev/video42 for a process that is started with this library in LD_PRELOAD. Written
// against the kernel's own header, it tells whether Device speaks the kernel's language. A timer
// stands for the device node: it becomes readable when a frame is due.
//
// FRAMES in the environment: how many it gives before it is unplugged.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PATH "/dev/video42"
#define BUFFERS 4
#define PAGE 0x100000

static int device = -1;
static int queue[BUFFERS], queued, streaming, frames_left;
static unsigned size, fps = 30, sequence;
static int zoom = 7;
static unsigned char *memory[BUFFERS];

static int fail(int error) {
  errno = error;
  return -1;
}

static int open_camera(void) {
  const char *frames = getenv("FRAMES");
  frames_left = frames ? atoi(frames) : 1 << 30;
  device = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  return device;
}

static int set_format(void *argument) {
  struct v4l2_format *format = argument;
  struct v4l2_pix_format *pixel = &format->fmt.pix;
  pixel->pixelformat = V4L2_PIX_FMT_YUYV;
  if (pixel->width > 640) {
    pixel->width = 640;
    pixel->height = 480;
  }
  pixel->sizeimage = size = 2 * pixel->width * pixel->height;
  return 0;
}

static int set_rate(void *argument) {
  struct v4l2_streamparm *parameters = argument;
  struct v4l2_fract *period = &parameters->parm.capture.timeperframe;
  fps = period->denominator / period->numerator;
  return 0;
}

static int get_rate(void *argument) {
  struct v4l2_streamparm *parameters = argument;
  parameters->parm.capture.timeperframe.numerator = 1;
  parameters->parm.capture.timeperframe.denominator = fps;
  return 0;
}

static int list_format(void *argument) {
  struct v4l2_fmtdesc *entry = argument;
  static const unsigned formats[] = {V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_MJPEG};
  if (entry->type != V4L2_BUF_TYPE_VIDEO_CAPTURE || entry->index > 1) return fail(EINVAL);
  entry->pixelformat = formats[entry->index];
  return 0;
}

// The pixels of YUYV are listed, those of MJPEG are a range.
static int list_size(void *argument) {
  struct v4l2_frmsizeenum *entry = argument;
  if (entry->pixel_format == V4L2_PIX_FMT_MJPEG) {
    entry->type = V4L2_FRMSIZE_TYPE_STEPWISE;
    return entry->index ? fail(EINVAL) : 0;
  }
  if (entry->pixel_format != V4L2_PIX_FMT_YUYV || entry->index > 1) return fail(EINVAL);
  entry->type = V4L2_FRMSIZE_TYPE_DISCRETE;
  entry->discrete.width = entry->index ? 640 : 320;
  entry->discrete.height = entry->index ? 480 : 240;
  return 0;
}

// 60 and 30 frames per second for the small size, anything from 5 to 30 for the large one.
static int list_rate(void *argument) {
  struct v4l2_frmivalenum *entry = argument;
  if (entry->pixel_format != V4L2_PIX_FMT_YUYV) return fail(EINVAL);
  if (entry->width == 640 && entry->height == 480 && !entry->index) {
    entry->type = V4L2_FRMIVAL_TYPE_STEPWISE;
    entry->stepwise.min = (struct v4l2_fract){1, 30};
    entry->stepwise.max = (struct v4l2_fract){1, 5};
    return 0;
  }
  if (entry->width != 320 || entry->height != 240 || entry->index > 1) return fail(EINVAL);
  entry->type = V4L2_FRMIVAL_TYPE_DISCRETE;
  entry->discrete = (struct v4l2_fract){1, entry->index ? 30 : 60};
  return 0;
}

static int control(struct v4l2_control *control, int set) {
  if (control->id != V4L2_CID_ZOOM_ABSOLUTE) return fail(EINVAL);
  if (set)
    zoom = control->value;
  else
    control->value = zoom;
  return 0;
}

static int request_buffers(void *argument) {
  struct v4l2_requestbuffers *request = argument;
  if (request->memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
  request->count = BUFFERS;
  return 0;
}

static int start(void) {
  long period_ns = 1000000000L / fps;
  struct itimerspec beat = {{0, period_ns}, {0, period_ns}};
  streaming = 1;
  return timerfd_settime(device, 0, &beat, NULL);
}

static int buffer(struct v4l2_buffer *info, unsigned request) {
  if (info->memory != V4L2_MEMORY_MMAP || info->index >= BUFFERS) return fail(EINVAL);
  if (request == VIDIOC_QUERYBUF) {
    info->length = size;
    info->m.offset = info->index * PAGE;
    return 0;
  }
  for (int i = 0; i < queued; i++)
    if (queue[i] == (int)info->index) return fail(EINVAL);
  queue[queued++] = info->index;
  return 0;
}

static int dequeue(void *argument) {
  struct v4l2_buffer *info = argument;
  unsigned long long beats;
  struct timespec now;
  if (!streaming || info->memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
  if (read(device, &beats, sizeof beats) != sizeof beats || !queued) return fail(EAGAIN);
  if (frames_left-- == 0) return fail(ENODEV);
  sequence += beats;
  info->index = queue[0];
  memmove(queue, queue + 1, --queued * sizeof *queue);
  memset(memory[info->index], 100 + sequence % 100, size);
  clock_gettime(CLOCK_MONOTONIC, &now);
  info->timestamp.tv_sec = now.tv_sec;
  info->timestamp.tv_usec = now.tv_nsec / 1000;
  info->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  info->bytesused = info->length = size;
  info->sequence = sequence;
  return 0;
}

static const struct {
  unsigned request;
  int (*handle)(void *argument);
} HANDLERS[] = {
    {VIDIOC_ENUM_FMT, list_format},
    {VIDIOC_ENUM_FRAMESIZES, list_size},
    {VIDIOC_ENUM_FRAMEINTERVALS, list_rate},
    {VIDIOC_S_FMT, set_format},
    {VIDIOC_S_PARM, set_rate},
    {VIDIOC_G_PARM, get_rate},
    {VIDIOC_REQBUFS, request_buffers},
    {VIDIOC_DQBUF, dequeue},
};

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (fd != device || device < 0) {
    int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
  }
  for (unsigned i = 0; i < sizeof HANDLERS / sizeof *HANDLERS; i++)
    if (HANDLERS[i].request == (unsigned)request) return HANDLERS[i].handle(argument);
  switch ((unsigned)request) {
    case VIDIOC_S_CTRL:
    case VIDIOC_G_CTRL:
      return control(argument, (unsigned)request == VIDIOC_S_CTRL);
    case VIDIOC_QUERYBUF:
    case VIDIOC_QBUF:
      return buffer(argument, request);
    case VIDIOC_STREAMON:
      return *(int *)argument == V4L2_BUF_TYPE_VIDEO_CAPTURE ? start() : fail(EINVAL);
    case VIDIOC_STREAMOFF:
      streaming = queued = 0;
      return 0;
  }
  return fail(ENOTTY);
}

static int open_path(const char *name, const char *path, int flags, int mode) {
  if (!strcmp(path, PATH)) return flags & O_NONBLOCK ? open_camera() : fail(EINVAL);
  int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, name);
  return real(path, flags, mode);
}

#define OPEN(NAME)                                \
  int NAME(const char *path, int flags, ...) {    \
    va_list rest;                                 \
    va_start(rest, flags);                        \
    int mode = va_arg(rest, int);                 \
    va_end(rest);                                 \
    return open_path(#NAME, path, flags, mode);   \
  }
OPEN(open)
OPEN(open64)

static void *map(const char *name, void *at, size_t length, int protection, int flags, int fd,
                 off_t offset) {
  void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, name);
  if (fd != device || device < 0) return real(at, length, protection, flags, fd, offset);
  if (flags != MAP_SHARED || length != size) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  int own = MAP_SHARED | MAP_ANONYMOUS;
  return memory[offset / PAGE] = real(NULL, length, PROT_READ | PROT_WRITE, own, -1, 0);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  return map("mmap", at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  return map("mmap64", at, length, protection, flags, fd, offset);
}

int close(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "close");
  if (fd == device) device = -1;
  return real(fd);
}
