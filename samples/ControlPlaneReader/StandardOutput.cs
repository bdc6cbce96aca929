using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ControlPlaneReader;

/// <summary>Nobody reads the output any more, as after <c>| head</c>.</summary>
internal sealed class OutputClosedException(Exception inner) : Exception("The output was closed.", inner);

/// <summary>Standard output, buffered. Other than the console's own stream it tells when the reader of a pipe has gone.</summary>
internal sealed class StandardOutput : StreamWriter
{
    private const int BufferLength = 64 * 1024;

    private StandardOutput(Stream stream)
        : base(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), BufferLength)
    {
        NewLine = "\n";
    }

    /// <summary>Opens it.</summary>
#pragma warning disable CA2000 // Each stream passes to the writer that is returned.
    public static StandardOutput Open()
    {
        if (OperatingSystem.IsWindows())
        {
            return new StandardOutput(Console.OpenStandardOutput());
        }

        // The console's stream drops what cannot be written to a closed pipe and says nothing. A file stream says so; but on a file it would keep a
        // position of its own and overwrite what others append, so it serves for pipes and terminals only.
        var plain = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        if (!plain.CanSeek)
        {
            return new StandardOutput(new PipeStream(plain));
        }

        plain.Dispose();
        return new StandardOutput(Console.OpenStandardOutput());
    }
#pragma warning restore CA2000

    /// <summary>Passes writes on and gives a closed pipe a type of its own.</summary>
    private sealed class PipeStream(FileStream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            try
            {
                inner.Write(buffer);
            }
            catch (IOException exception)
            {
                throw new OutputClosedException(exception);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
